// The dialog for a whole site: which, who would be signed out, and only then the button that does it.

import { useEffect, useReducer, useState } from 'react'
import { Button, Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components'
import type { AdminSite, DryRun } from './api'
import { adminApi } from './http'
import { goes, runWords, siteStep, siteWords } from './sitelogout'
import { sentenceOf } from './useDeed'
import { ACTIVITY, nameOf } from './words'

export function SiteLogout(props: { onDone: () => void; onClose: () => void }) {
  const [state, tell] = useReducer(siteStep, { at: 'choosing', site: '', message: null })
  const sites = useSites()

  const count = async () => {
    if (state.site === '') return
    tell({ type: 'count' })
    const answer = await adminApi.dryRun(state.site)
    tell(answer.ok ? { type: 'counted', run: answer.value } : { type: 'refused', refusal: answer.refusal })
  }
  const send = async () => {
    if (state.at !== 'counted' || goes(state.run) === 0) return
    tell({ type: 'send' })
    const answer = await adminApi.siteLogout(state.site, state.run.confirm)
    if (answer.ok) {
      tell({ type: 'sent', sentence: sentenceOf(answer.value) })
      props.onDone()
    } else tell({ type: 'refused', refusal: answer.refusal })
  }
  const run = state.at === 'counted' || state.at === 'sending' ? state.run : null

  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => { if (!open && state.at !== 'sending') props.onClose() }}>
      <Modal className="modal modal-wide">
        <Dialog role={run ? 'alertdialog' : 'dialog'} className="dialog">
          <Heading slot="title" level={2}>{run && goes(run) > 0 ? `Log out everybody at ${siteWords(state.site)}?` : 'Log out a site'}</Heading>
          <div className="dialog-body">
            {state.at === 'choosing' || state.at === 'counting' ? (
              <>
                <p>Everybody who sits at a phone of the site is signed out. First you see who that is; nothing happens before you say so.</p>
                <label className="field">
                  <span>Site</span>
                  <select autoFocus className="input" value={state.site} disabled={state.at === 'counting'} onChange={(event) => tell({ type: 'chosen', site: event.target.value })}>
                    <option value="">{sites.sentence ?? (sites.sites ? (sites.sites.length === 0 ? 'There is no phone' : 'Choose a site') : 'Loading…')}</option>
                    {sites.sites?.map((each) => <option key={each.name} value={each.name}>{optionWords(each)}</option>)}
                  </select>
                </label>
                <div role="alert" className="deed-message">
                  {state.at === 'choosing' && state.message ? <p className="message message-error">{state.message}</p> : null}
                </div>
              </>
            ) : null}
            {run ? <Who run={run} /> : null}
            {state.at === 'done' ? <p role="status">{state.sentence ?? `Everybody at ${siteWords(state.site)} is signed out.`}</p> : null}
          </div>
          <div className="dialog-foot">
            {state.at === 'done' ? (
              <Button autoFocus className="button button-main" onPress={props.onClose}>Close</Button>
            ) : run ? (
              <>
                <Button autoFocus className="button" isDisabled={state.at === 'sending'} onPress={() => tell({ type: 'back' })}>Back</Button>
                {goes(run) > 0 ? (
                  <Button className="button button-bad" isDisabled={state.at === 'sending'} onPress={() => void send()}>
                    {state.at === 'sending' ? 'One moment…' : goes(run) === 1 ? 'Log out 1 person' : `Log out ${goes(run)} people`}
                  </Button>
                ) : null}
              </>
            ) : (
              <>
                <Button className="button" onPress={props.onClose}>Cancel</Button>
                <Button className="button button-main" isDisabled={state.site === '' || state.at === 'counting'} onPress={() => void count()}>
                  {state.at === 'counting' ? 'One moment…' : 'Show who'}
                </Button>
              </>
            )}
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

function Who({ run }: { run: DryRun }) {
  return (
    <>
      <p>{runWords(run)}</p>
      {run.agents.length > 0 ? (
        <ul className="who" tabIndex={0} aria-label="Who will be signed out">
          {run.agents.map((agent) => (
            <li key={agent.name}>
              <span>{nameOf(agent)}</span>
              <span className="quiet">
                {[agent.phone, agent.activity === 'idle' ? null : ACTIVITY[agent.activity], agent.stays ? 'stays' : null].filter(Boolean).join(' · ')}
              </span>
            </li>
          ))}
        </ul>
      ) : null}
    </>
  )
}

function optionWords(site: AdminSite): string {
  const name = siteWords(site.name)
  return site.logins === 0 ? `${name[0]!.toUpperCase()}${name.slice(1)} (nobody)` : `${name[0]!.toUpperCase()}${name.slice(1)} (${site.logins})`
}

function useSites(): { sites: AdminSite[] | null; sentence: string | null } {
  const [sites, setSites] = useState<{ sites: AdminSite[] | null; sentence: string | null }>({ sites: null, sentence: null })
  useEffect(() => {
    let over = false
    void adminApi.sites().then((answer) => {
      if (!over) setSites(answer.ok ? { sites: answer.value.sites, sentence: null } : { sites: null, sentence: answer.refusal.sentence })
    })
    return () => { over = true }
  }, [])
  return sites
}
