// The settings in effect, read only: files are the place to change them. And the test mail.

import { useCallback, useState } from 'react'
import { Button } from 'react-aria-components'
import { at } from '../clock'
import { AppLink } from '../parts/AppLink'
import type { PageProps } from './AdminApp'
import { humanised } from './audit'
import { Facts } from './Drawer'
import { adminApi } from './http'
import { PageHead } from './parts'
import { withParts } from './place'
import { ListSays } from './Says'
import type { SecurityAnswer } from './security'
import { groupsOf, rolesOf } from './settings'
import { sentenceOf, useDeeds } from './useDeed'
import { usePoll } from './usePoll'
import { nameOf } from './words'

const EVERY_MS = 30_000

export function SecurityPage({ rights, onNoSession }: PageProps) {
  return (
    <div className="sheet">
      <PageHead title="Security" />
      {rights.has('see_security') ? <Settings onNoSession={onNoSession} /> : null}
      {rights.has('send_test_mail') ? <TestMailCard /> : null}
    </div>
  )
}

function Settings({ onNoSession }: { onNoSession: () => void }) {
  const { loaded, again } = usePoll(adminApi.security, EVERY_MS, onNoSession)
  if (loaded.at !== 'there') {
    return <div className="sheet-says"><ListSays loaded={loaded} count={0} empty={null} onAgain={() => void again()} /></div>
  }
  const { value } = loaded
  const groups = groupsOf({ ...value.settings, takeover: value.takeover })
  const roles = rolesOf(value.roles)
  return (
    <>
      <div className="cards">
        <Locked value={value} />
        <Counts value={value} />
      </div>
      <p className="note">
        The settings below are in effect now. They are changed in the configuration folder of the server, in the files named; <code>hotseat reload</code> makes
        changes take effect without ending a call.
      </p>
      <div className="cards">
        {groups.map((group) => (
          <section key={group.id} className={`panel${group.long ? ' long-facts' : ''}`} aria-label={group.title}>
            <h2>{group.title}</h2>
            {group.rows.length > 0 ? <Facts rows={group.rows} /> : <p className="quiet">Not set up.</p>}
            <p className="file">{group.file}</p>
          </section>
        ))}
      </div>
      {roles.length > 0 ? (
        <section className="panel" aria-label="What each role may do">
          <h2>What each role may do</h2>
          <dl className="roles">
            {roles.map((each) => (
              <div key={each.role}>
                <dt>{each.role}</dt>
                <dd>{each.rights.length > 0 ? each.rights.map((right) => <span key={right} className="tag">{right}</span>) : <span className="quiet">Nothing here</span>}</dd>
              </div>
            ))}
          </dl>
          <p className="file">security.toml, [roles]</p>
        </section>
      ) : null}
    </>
  )
}

function Locked({ value }: { value: SecurityAnswer }) {
  return (
    <section className="panel" aria-label="Locked now">
      <h2>Locked now</h2>
      {value.blocked.length === 0 ? <p>Nobody is locked out.</p> : (
        <>
          <ul className="who" tabIndex={0} aria-label="Who is locked out">
            {value.blocked.map((agent) => (
              <li key={agent.name}>
                <AppLink to={withParts('/admin/agents', '', { open: agent.name })}>{nameOf(agent)}</AppLink>
                <span className="quiet">{agent.blocked ? (agent.blocked.until === null ? 'until unlocked' : `until ${at(agent.blocked.until)}`) : ''}</span>
              </li>
            ))}
          </ul>
          {value.blocked_count > value.blocked.length ? <p className="quiet">and {value.blocked_count - value.blocked.length} more</p> : null}
        </>
      )}
    </section>
  )
}

function Counts({ value }: { value: SecurityAnswer }) {
  return (
    <section className="panel" aria-label="Since yesterday">
      <h2>Since {at(value.since)}</h2>
      {value.counts.length === 0 ? <p>Nothing has happened.</p> : (
        <ul className="who" tabIndex={0} aria-label="What happened, counted">
          {value.counts.map((each) => (
            <li key={`${each.what} ${each.outcome}`}>
              <AppLink to={withParts('/admin/audit', '', { what: each.what, outcome: each.outcome })}>{humanised(each.what)}: {humanised(each.outcome).toLowerCase()}</AppLink>
              <span className="quiet lasting">{each.count.toLocaleString('en')}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function TestMailCard() {
  const [to, setTo] = useState('')
  const deeds = useDeeds<{ to: string }>(
    useCallback((deed: { to: string }) => adminApi.testMail(deed.to), []),
    (deed, value) => sentenceOf(value) ?? `The mail server took a test mail to ${deed.to}.`,
  )
  return (
    <section className="panel" aria-label="Test mail">
      <h2>Test mail</h2>
      <p>Links for forgotten passwords go by mail. Send one to yourself to see that the mail server takes it.</p>
      <form className="deed-form" noValidate onSubmit={(event) => { event.preventDefault(); if (to.trim() !== '') deeds.start({ to: to.trim() }, null) }}>
        <label className="field">
          <span>Send to</span>
          <input className="input" type="email" autoComplete="email" maxLength={254} value={to} onChange={(event) => setTo(event.target.value)} />
        </label>
        <Button type="submit" className="button" isDisabled={deeds.state.at === 'busy' || to.trim() === ''}>Send test mail</Button>
      </form>
      {deeds.message}
      <p className="file">mail.toml</p>
    </section>
  )
}
