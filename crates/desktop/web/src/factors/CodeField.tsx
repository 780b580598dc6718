// A field for a code that is good for half a minute: large, numbers first, filled by the browser where it can.

import { useEffect, useRef } from 'react'
import { Input, Label, TextField } from 'react-aria-components'
import type { Message } from '../login/flow'

export function CodeField(props: { label: string; value: string; onChange: (text: string) => void; again: Message | null; focus?: boolean; recovery?: boolean }) {
  const input = useRef<HTMLInputElement>(null)
  const { again, focus = false, recovery = false } = props
  useEffect(() => { if (focus) input.current?.focus() }, [focus, recovery])
  // After a refusal ready for the next one.
  useEffect(() => { if (again?.tone === 'error') input.current?.focus() }, [again])
  return (
    <TextField className="field" value={props.value} onChange={props.onChange} isInvalid={again?.tone === 'error'} maxLength={recovery ? 40 : 9}>
      <Label>{props.label}</Label>
      <Input
        ref={input} className="input input-code" name={recovery ? 'recovery-code' : 'code'} autoComplete={recovery ? 'off' : 'one-time-code'}
        inputMode={recovery ? 'text' : 'numeric'} autoCapitalize="none" spellCheck={false}
      />
    </TextField>
  )
}
