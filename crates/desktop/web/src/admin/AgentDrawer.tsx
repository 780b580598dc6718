// One agent: how they stand, and what can be done for them by whoever is looking.

import { useState } from 'react'
import { Button } from 'react-aria-components'
import { at } from '../clock'
import { ROLES, type AdminAgent, type PasswordMade, type Rights, type Role } from './api'
import { askingFor, doneWords, offered, type AgentDeed } from './agentdeeds'
import { Drawer, Facts } from './Drawer'
import { adminApi } from './http'
import { OncePassword } from './OncePassword'
import { ActivitySign, AgentSign } from './State'
import { sentenceOf, useDeeds } from './useDeed'
import { blockedWords, factorWord, nameOf, ROLE, seatWords, TYPOLOGY, WAY } from './words'

export function AgentDrawer(props: { name: string; agent: AdminAgent | null; me: string; rights: Rights; onChanged: () => Promise<void>; onClose: () => void }) {
  // Whoever slips out of the filter by what was just done to them stays open.
  const [last, setLast] = useState(props.agent)
  if (props.agent && props.agent !== last) setLast(props.agent)
  const agent = props.agent ?? last
  if (!agent) {
    return (
      <Drawer title={props.name} onClose={props.onClose}>
        <p>There is no agent of this name in the list. The account may have been removed, or the filter leaves it out.</p>
      </Drawer>
    )
  }
  return <Known key={agent.name} {...props} agent={agent} />
}

function Known({ agent, me, rights, onChanged, onClose }: { agent: AdminAgent; me: string; rights: Rights; onChanged: () => Promise<void>; onClose: () => void }) {
  const [password, setPassword] = useState<string | null>(null)
  const deeds = useDeeds<AgentDeed>(
    async (deed) => {
      const answer = await send(deed, agent)
      if (answer.ok && deed.type === 'password') setPassword((answer.value as PasswordMade | null)?.effect?.password ?? null)
      // What the row says is true before «done» is said.
      if (answer.ok) await onChanged()
      return answer
    },
    (deed, value) => sentenceOf(value) ?? doneWords(deed, agent),
  )
  const may = (type: AgentDeed['type']) => offered(type, agent, rights, me)
  const button = (type: 'unlock' | 'enable' | 'disable' | 'password' | 'factors' | 'end', word: string, main = false) =>
    may(type) ? (
      <Button className={main ? 'button button-main' : 'button'} onPress={() => deeds.start({ type }, askingFor({ type }, agent))}>{word}</Button>
    ) : null
  const any = (['unlock', 'enable', 'disable', 'password', 'factors', 'end', 'role', 'email'] as const).some(may)

  return (
    <Drawer title={nameOf(agent)} sub={`${agent.name} · ${agent.extension}`} onClose={onClose}>
      <Facts
        rows={[
          ['State', <AgentSign key="state" agent={agent} />],
          ...(agent.login ? [
            ['Where', `${seatWords(agent.login)}, since ${at(agent.login.since)}`] as [string, string],
            ['Now', <ActivitySign key="now" activity={agent.login.activity} />] as [string, React.ReactNode],
          ] : []),
          ['Locked', blockedWords(agent)],
          ['Takes calls', TYPOLOGY[agent.typology]],
          ['Role', ROLE[agent.role]],
          ['E-mail', agent.email ?? 'None'],
          ['Signs in by', WAY[agent.way]],
          ...(agent.way === 'local' ? [['Password', passwordWords(agent)] as [string, string]] : []),
          ['Second factor', agent.factors.length > 0 ? agent.factors.map(factorWord).join(', ') : 'None'],
          ['Last login', agent.last_login === null ? 'Never' : at(agent.last_login)],
        ]}
      />
      {any ? (
        <section className="deeds" aria-label={`What can be done for ${nameOf(agent)}`}>
          {button('unlock', 'Unlock', true)}
          {button('end', 'End login')}
          {button('password', 'New temporary password')}
          {button('factors', 'Reset second factors')}
          {button('enable', 'Enable', true)}
          {button('disable', 'Disable')}
        </section>
      ) : (
        <p className="quiet">{agent.name === me ? 'This is your own account: another administrator can change it, and your password and second factor are on your desktop.' : 'You can look, and nothing more: changes are made by administrators.'}</p>
      )}
      {deeds.message}
      {may('role') ? <RoleForm key={`role-${agent.role}`} agent={agent} onRole={(role) => deeds.start({ type: 'role', role }, askingFor({ type: 'role', role }, agent))} /> : null}
      {may('email') ? <EmailForm key={`email-${agent.email}`} agent={agent} onEmail={(email) => deeds.start({ type: 'email', email }, null)} /> : null}
      {deeds.question}
      {password !== null ? <OncePassword who={nameOf(agent)} password={password} onClose={() => setPassword(null)} /> : null}
    </Drawer>
  )
}

function send(deed: AgentDeed, agent: AdminAgent) {
  switch (deed.type) {
    case 'unlock': return adminApi.unlock(agent.name)
    case 'enable': return adminApi.enable(agent.name)
    case 'disable': return adminApi.disable(agent.name)
    case 'role': return adminApi.role(agent.name, deed.role)
    case 'email': return adminApi.email(agent.name, deed.email)
    case 'password': return adminApi.newPassword(agent.name)
    case 'factors': return adminApi.resetFactors(agent.name)
    case 'end': return adminApi.endLogin(agent.login?.id ?? 0)
  }
}

function passwordWords(agent: AdminAgent): string {
  const set = agent.password_at === null ? 'Never chosen by the agent' : `Chosen ${at(agent.password_at)}`
  return agent.must_change ? `${set}; must be changed at the next login` : set
}

function RoleForm({ agent, onRole }: { agent: AdminAgent; onRole: (role: Role) => void }) {
  const [role, setRole] = useState<Role>(agent.role)
  return (
    <form className="deed-form" onSubmit={(event) => { event.preventDefault(); if (role !== agent.role) onRole(role) }}>
      <label className="field">
        <span>Role</span>
        <select className="input" value={role} onChange={(event) => setRole(event.target.value as Role)}>
          {ROLES.map((each) => <option key={each} value={each}>{ROLE[each]}</option>)}
        </select>
      </label>
      <Button type="submit" className="button">Change role</Button>
    </form>
  )
}

function EmailForm({ agent, onEmail }: { agent: AdminAgent; onEmail: (email: string | null) => void }) {
  const [email, setEmail] = useState(agent.email ?? '')
  const typed = email.trim()
  return (
    <form className="deed-form" noValidate onSubmit={(event) => { event.preventDefault(); if (typed !== (agent.email ?? '')) onEmail(typed === '' ? null : typed) }}>
      <label className="field">
        <span>E-mail</span>
        <input className="input" type="email" autoComplete="off" maxLength={254} value={email} onChange={(event) => setEmail(event.target.value)} />
      </label>
      <Button type="submit" className="button">Save e-mail</Button>
    </form>
  )
}
