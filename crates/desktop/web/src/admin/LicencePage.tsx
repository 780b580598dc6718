// The licence and the certificates: what they are, until when they hold, whom to ask.

import { serverNow } from '../clock'
import type { PageProps } from './AdminApp'
import { Facts } from './Drawer'
import { adminApi } from './http'
import { daysWords, dayWords, needsCare, urgency, type Certificate, type LicenceAnswer } from './licence'
import { PageHead } from './parts'
import { ListSays } from './Says'
import { Sign } from './State'
import { usePoll } from './usePoll'

const EVERY_MS = 60_000
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' })

export function LicencePage({ onNoSession }: PageProps) {
  const { loaded, again } = usePoll(adminApi.licence, EVERY_MS, onNoSession)
  return (
    <div className="sheet">
      <PageHead title="Licence and certificates" />
      {loaded.at !== 'there' ? (
        <div className="sheet-says"><ListSays loaded={loaded} count={0} empty={null} onAgain={() => void again()} /></div>
      ) : (
        <>
          <LicencePanel value={loaded.value} />
          <section className="panel" aria-label="Certificates">
            <h2>Certificates</h2>
            {loaded.value.certificates.length === 0 ? <p className="quiet">None is in use.</p> : null}
            {loaded.value.certificates.map((each) => <CertificateFacts key={each.name} certificate={each} />)}
          </section>
        </>
      )}
    </div>
  )
}

function LicencePanel({ value }: { value: LicenceAnswer }) {
  const { licence } = value
  return (
    <section className="panel" aria-label="Licence">
      <h2>Licence</h2>
      <p className={needsCare(value.status) ? 'note note-warn' : undefined}>{value.sentence}</p>
      <Facts
        rows={[
          ...(licence ? [
            ['For', licence.customer],
            ['From', dayWords(licence.from)],
            ['Until', dayWords(licence.until)],
            ['Agents', `${value.seats_used} of ${licence.seats}`],
            ['Contact', licence.contact],
          ] as [string, string][] : [['Agents', String(value.seats_used)] as [string, string]]),
        ]}
      />
      <p className="file">A new one is put in place with <code>hotseat licence install</code> on the server. No call ever ends because of a licence.</p>
    </section>
  )
}

function CertificateFacts({ certificate }: { certificate: Certificate }) {
  const now = serverNow()
  const state = urgency(certificate.until, now)
  return (
    <div className="certificate">
      <h3>{certificate.name}</h3>
      <Facts
        rows={[
          ['State', <Sign key="state" shape={state === 'fine' ? 'full' : 'warn'}>{state === 'over' ? 'Expired' : state === 'soon' ? 'Expires soon' : 'Valid'}</Sign>],
          ['Until', `${day.format(certificate.until)}, ${daysWords(certificate.until, now)}`],
        ]}
      />
    </div>
  )
}
