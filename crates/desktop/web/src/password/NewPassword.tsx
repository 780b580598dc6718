// The new password, twice, with the rules beside it: each is ticked as one types.

import { useState, type ReactNode, type RefObject } from 'react'
import { Button, Input, Label, TextField } from 'react-aria-components'
import type { PasswordRule } from '../api'
import { tickOf, type Known, type Tick } from './rules'

const MAX = 256

export interface NewPasswordProps {
  rules: readonly PasswordRule[]
  known: Known
  typed: string
  repeated: string
  onTyped: (text: string) => void
  onRepeated: (text: string) => void
  /** Where the focus goes when something is wrong. */
  inputRef: RefObject<HTMLInputElement | null>
  repeatRef: RefObject<HTMLInputElement | null>
  autoFocus?: boolean
}

export function NewPassword(props: NewPasswordProps) {
  const [shown, setShown] = useState(false)
  const { typed, repeated, rules, known } = props
  const type = shown ? 'text' : 'password'
  const same: Tick = typed !== '' && typed === repeated ? 'met' : 'open'
  const ticks = rules.map((rule) => tickOf(rule, typed, known))
  const open = [...ticks, same].filter((tick) => tick === 'open' || tick === 'failed').length
  return (
    <>
      <TextField className="field" type={type} value={typed} onChange={props.onTyped} autoFocus={props.autoFocus ?? false} aria-describedby="password-rules" maxLength={MAX}>
        <Label>New password</Label>
        <div className="input-group">
          <Input ref={props.inputRef} name="new-password" autoComplete="new-password" spellCheck={false} autoCapitalize="none" className="input" />
          <Button className="input-button" onPress={() => setShown(!shown)}>
            {shown ? 'Hide' : 'Show'}
            <span className="unseen"> the new password</span>
          </Button>
        </div>
      </TextField>
      <TextField className="field" type={type} value={repeated} onChange={props.onRepeated} maxLength={MAX}>
        <Label>Repeat the new password</Label>
        <Input ref={props.repeatRef} name="repeat-password" autoComplete="new-password" spellCheck={false} autoCapitalize="none" className="input" />
      </TextField>
      <ul className="ticks" id="password-rules">
        {rules.map((rule, i) => (
          <Ticked key={rule.id} tick={ticks[i] ?? 'open'}>
            <RuleText rule={rule} />
          </Ticked>
        ))}
        <Ticked tick={same}>Typed twice, both the same</Ticked>
      </ul>
      {ticks.includes('later') ? (
        <p className="tick tick-later tick-legend" aria-hidden="true">
          <Circle tick="later" />
          <span>is checked when you save</span>
        </p>
      ) : null}
      <p className="unseen" role="status">{typed === '' ? '' : open === 0 ? 'All rules are met.' : `${open} to go.`}</p>
    </>
  )
}

const words: Record<Tick, string> = { met: 'met', open: 'not yet', failed: 'refused', later: 'checked when you save' }

function Ticked({ tick, children }: { tick: Tick; children: ReactNode }) {
  return (
    <li className={`tick tick-${tick}`}>
      <Circle tick={tick} />
      <span>
        {children}
        <span className="unseen"> ({words[tick]})</span>
      </span>
    </li>
  )
}

/** The characters that count stand apart, exactly as they are. */
function RuleText({ rule: { text, chars } }: { rule: PasswordRule }) {
  if (!chars) return text
  const [before = '', after = ''] = text.split(chars)
  return <>{before.trimEnd()} <code className="chars">{chars}</code>{after}</>
}

function Circle({ tick }: { tick: Tick }) {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="7" />
      {tick === 'met' ? <path d="m4.500 8.300 2.400 2.400 4.600-5.200" /> : tick === 'failed' ? <path d="m5.500 5.500 5 5m0-5-5 5" /> : null}
    </svg>
  )
}
