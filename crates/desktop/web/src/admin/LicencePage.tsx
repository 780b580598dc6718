// The licence and the certificates: what they are, until when they hold, whom to ask.

import { at, serverNow } from '../clock'
import type { PageProps } from './AdminApp'
import { humanised } from './audit'
import { Facts } from './Drawer'
import { adminApi } from './http'
import { daysWords, urgency, type Certificate } from './licence'
import { PageHead } from './parts'
import { ListSays } from './Says'
import { settingWords } from './settings'
import { Sign } from './State'
import { usePoll } from './usePoll'

const EVERY_MS = 60_000
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' })

export function LicencePage({ onNoSession }: PageProps) {
  const { loaded, again } = usePoll(adminApi.licence, EVERY_MS, onNoSession)
  const says = <div className="sheet-says"><ListSays loaded={loaded} count={0} empty={null} onAgain={() => void again()} /></div>
  return (
    <div className="sheet">
      <PageHead title="Licence and certificates" />
      {loaded.at !== 'there' ? says : (
        <>
          {loaded.value.notices?.map((notice) => (
            <p key={notice.sentence} className={notice.severity === 'warning' ? 'note note-warn' : 'note'}>{notice.sentence}</p>
          ))}
          <section className="panel" aria-label="Licence">
            <h2>Licence</h2>
            {loaded.value.licence ? <Facts rows={rowsOf(loaded.value.licence)} /> : <p>Community: there is no licence file, and nothing expires.</p>}
            {loaded.value.contact ? <p>Questions about it: {loaded.value.contact}</p> : null}
            <p className="file">A new one is put in place with <code>hotseat licence install</code> on the server. No call ever ends because of a licence.</p>
          </section>
          <section className="panel" aria-label="Certificates">
            <h2>Certificates</h2>
            {(loaded.value.certificates ?? []).length === 0 ? <p className="quiet">None is in use.</p> : null}
            {loaded.value.certificates?.map((each) => <CertificateFacts key={each.name} certificate={each} />)}
          </section>
        </>
      )}
    </div>
  )
}

function CertificateFacts({ certificate }: { certificate: Certificate }) {
  const now = serverNow()
  const state = urgency(certificate.expires, now)
  return (
    <div className="certificate">
      <h3>{certificate.name}</h3>
      <Facts
        rows={[
          ['State', <Sign key="state" shape={state === 'fine' ? 'full' : 'warn'}>{state === 'over' ? 'Expired' : state === 'soon' ? 'Expires soon' : 'Valid'}</Sign>],
          ['Until', certificate.expires === null ? 'It never expires' : `${day.format(certificate.expires)}, ${daysWords(certificate.expires, now)}`],
          ...(certificate.subject ? [['For', certificate.subject] as [string, string]] : []),
          ...(certificate.issuer ? [['Issued by', certificate.issuer] as [string, string]] : []),
        ]}
      />
    </div>
  )
}

function rowsOf(licence: Record<string, unknown>): [string, string][] {
  return Object.entries(licence)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [humanised(name), typeof value === 'number' && value > 1e11 ? `${day.format(value)}, ${at(value)}` : settingWords(name, value)])
}
