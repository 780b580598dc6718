// My second factors: which there are, another one, new recovery codes, away with one. Each change asks for the password.

import { useCallback, useEffect, useState, type FormEvent } from 'react'
import { Button, Dialog, Heading, Input, Label, Modal, ModalOverlay, TextField } from 'react-aria-components'
import type { Factor, FactorsAnswer, Proof, Refusal, TotpBegun } from '../api'
import { at } from '../clock'
import { api } from '../http'
import { MessageArea } from '../login/MessageArea'
import { words } from '../words'
import { codeOf } from './code'
import { makePasskey, passkeysKnown } from './passkey'
import { RecoveryCodes } from './RecoveryCodes'
import { TotpSetup } from './TotpSetup'

type Deed = { do: 'totp' } | { do: 'passkey' } | { do: 'codes' } | { do: 'remove'; factor: Factor }
type At = { at: 'list' } | { at: 'prove'; deed: Deed } | { at: 'totp'; begun: TotpBegun } | { at: 'codes'; codes: readonly string[] }

const kindWords: Record<Factor['kind'], string> = { totp: 'Authenticator app', passkey: 'Passkey' }
const nameOf = (factor: Factor) => factor.name || kindWords[factor.kind]

export function FactorsDialog({ onClose }: { onClose: () => void }) {
  const [state, setState] = useState<At>({ at: 'list' })
  const [known, setKnown] = useState<FactorsAnswer | null>(null)
  const [said, setSaid] = useState<{ tone: 'error' | 'info'; text: string } | null>(null)
  const load = useCallback(async () => {
    const answer = await api.factors()
    if (answer.ok) setKnown(answer.value)
    else setSaid({ tone: 'error', text: answer.refusal.sentence })
  }, [])
  useEffect(() => void load(), [load])

  const list = (text: string | null) => {
    setState({ at: 'list' })
    setSaid(text ? { tone: 'info', text } : null)
    void load()
  }
  /** Carries out what the proof was asked for; a refusal comes back. */
  const act = async (deed: Deed, proof: Proof): Promise<Refusal | null> => {
    switch (deed.do) {
      case 'totp': {
        const answer = await api.totpBegin(proof)
        if (!answer.ok) return answer.refusal
        setState({ at: 'totp', begun: answer.value })
        return null
      }
      case 'passkey': {
        const begun = await api.addPasskeyBegin(proof)
        if (!begun.ok) return begun.refusal
        let made: unknown
        try {
          made = await makePasskey(begun.value)
        } catch {
          return { reason: 'passkey', sentence: words.passkeyNotMade }
        }
        const answer = await api.addPasskeyFinish(made)
        if (!answer.ok) return answer.refusal
        const codes = answer.value?.recovery_codes ?? []
        if (codes.length > 0) setState({ at: 'codes', codes })
        else list('The passkey is set up.')
        return null
      }
      case 'codes': {
        const answer = await api.newRecoveryCodes(proof)
        if (!answer.ok) return answer.refusal
        setState({ at: 'codes', codes: answer.value.recovery_codes })
        return null
      }
      case 'remove': {
        const answer = await api.removeFactor(deed.factor.id, proof)
        if (!answer.ok) return answer.refusal
        list('It is taken away.')
        return null
      }
    }
  }
  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => { if (!open) onClose() }}>
      <Modal className="modal">
        <Dialog className="dialog">
          <Heading slot="title" level={2}>{state.at === 'codes' ? 'Keep your recovery codes' : 'Second factor'}</Heading>
          {state.at === 'list' ? (
            <>
              <FactorList known={known} onRemove={(factor) => setState({ at: 'prove', deed: { do: 'remove', factor } })} />
              {said ? <MessageArea message={said} /> : null}
              <div className="factor-deeds">
                <Button className="button" onPress={() => setState({ at: 'prove', deed: { do: 'totp' } })}>Add an authenticator app</Button>
                {passkeysKnown() ? <Button className="button" onPress={() => setState({ at: 'prove', deed: { do: 'passkey' } })}>Add a passkey</Button> : null}
                {known && known.factors.length > 0 ? (
                  <Button className="button" onPress={() => setState({ at: 'prove', deed: { do: 'codes' } })}>New recovery codes</Button>
                ) : null}
              </div>
              <div className="dialog-foot"><Button autoFocus className="button button-main" onPress={onClose}>Close</Button></div>
            </>
          ) : state.at === 'prove' ? (
            <Prove deed={state.deed} confirm={known?.confirm ?? 'password'} onBack={() => list(null)} onProof={(proof) => act(state.deed, proof)} />
          ) : state.at === 'totp' ? (
            <TotpSetup
              begun={state.begun}
              onEnrolled={({ recovery_codes: codes = [] }) => { if (codes.length > 0) setState({ at: 'codes', codes }); else list('The authenticator app is set up.') }}
            />
          ) : (
            <RecoveryCodes codes={state.codes} site="Hotseat" onKept={() => list(null)} done="Done" />
          )}
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

function FactorList({ known, onRemove }: { known: FactorsAnswer | null; onRemove: (factor: Factor) => void }) {
  if (!known) return <p className="quiet" aria-busy="true">Loading…</p>
  const { factors, recovery_codes_left: left } = known
  if (factors.length === 0) return <p className="quiet">None yet: your password alone lets you in. With a second factor, a stolen password is not enough.</p>
  return (
    <>
      <ul className="factors">
        {factors.map((factor) => (
          <li key={factor.id}>
            <span>
              <b>{nameOf(factor)}</b>
              <span className="quiet">
                {nameOf(factor) === kindWords[factor.kind] ? '' : `${kindWords[factor.kind]} · `}
                {factor.last_used ? `last used ${at(factor.last_used)}` : `since ${at(factor.since)}`}
              </span>
            </span>
            {known.required && factors.length === 1 ? null : (
              <Button className="button" onPress={() => onRemove(factor)}>Remove<span className="unseen"> {nameOf(factor)}</span></Button>
            )}
          </li>
        ))}
      </ul>
      <p className={left < 3 ? 'message message-warn' : 'quiet'}>{left === 1 ? 'One recovery code is' : `${left} recovery codes are`} left.</p>
    </>
  )
}

const deedWords: Record<Deed['do'], { title: string; yes: string }> = {
  totp: { title: 'You are about to add an authenticator app.', yes: 'Continue' },
  passkey: { title: 'You are about to add a passkey.', yes: 'Continue' },
  codes: { title: 'New recovery codes make the old ones worthless.', yes: 'Make new codes' },
  remove: { title: 'It will let nobody in any more.', yes: 'Remove' },
}

/** A page that somebody left open must not do: whoever changes factors shows once more who they are. */
function Prove(props: { deed: Deed; confirm: FactorsAnswer['confirm']; onProof: (proof: Proof) => Promise<Refusal | null>; onBack: () => void }) {
  const { deed, confirm } = props
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [wrong, setWrong] = useState<string | null>(null)
  const { title, yes } = deedWords[deed.do]
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    if (confirm !== 'fresh_login' && typed.trim() === '') return setWrong(confirm === 'code' ? words.codeOrRecoveryMissing : words.passwordMissing)
    setBusy(true)
    const refusal = await props.onProof(confirm === 'password' ? { password: typed } : confirm === 'code' ? { code: codeOf(typed) ?? typed.trim() } : {})
    setBusy(false)
    if (refusal) setWrong(refusal.sentence)
  }
  const field = { value: typed, onChange: (text: string) => { setTyped(text); setWrong(null) }, isInvalid: wrong !== null, autoFocus: true }
  return (
    <form className="form" onSubmit={(event) => void submit(event)} noValidate>
      <p>{deed.do === 'remove' ? <><b>{nameOf(deed.factor)}</b>: </> : null}{title}</p>
      {confirm === 'password' ? (
        <TextField className="field" type="password" {...field}>
          <Label>Password</Label>
          <Input name="password" autoComplete="current-password" className="input" />
        </TextField>
      ) : confirm === 'code' ? (
        <TextField className="field" {...field}>
          <Label>Code from your authenticator app, or a recovery code</Label>
          <Input name="code" autoComplete="one-time-code" autoCapitalize="none" spellCheck={false} className="input" />
        </TextField>
      ) : null}
      <MessageArea message={wrong ? { tone: 'error', text: wrong } : null} />
      <div className="dialog-foot">
        <Button className="button" onPress={props.onBack}>Back</Button>
        <Button type="submit" className="button button-main" aria-busy={busy}>{busy ? 'One moment…' : yes}</Button>
      </div>
    </form>
  )
}
