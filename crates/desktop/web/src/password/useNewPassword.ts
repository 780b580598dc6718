// What a form for a new password remembers: both entries, what the server refused, and what to say.

import { useRef, useState } from 'react'
import type { PasswordRule, Refusal } from '../api'
import type { Message } from '../login/flow'
import { mayBeSent, type Known } from './rules'

export const saying = {
  rulesOpen: 'Not every rule is met yet. Look for those without a tick.',
  notTheSame: 'The two entries are not the same.',
} as const

export function useNewPassword(rules: readonly PasswordRule[], old: string | undefined) {
  const [typed, setTyped] = useState('')
  const [repeated, setRepeated] = useState('')
  const [message, setMessage] = useState<Message | null>(null)
  const [refused, setRefused] = useState<Known['refused']>(null)
  const inputRef = useRef<HTMLInputElement>(null)
  const repeatRef = useRef<HTMLInputElement>(null)
  const known: Known = { old, refused }
  const complain = (text: string, where: HTMLInputElement | null) => {
    setMessage({ tone: 'error', text })
    where?.focus()
  }
  return {
    message,
    setMessage,
    typed,
    fields: {
      rules, known, typed, repeated, inputRef, repeatRef,
      onTyped: (text: string) => { setTyped(text); setMessage(null) },
      onRepeated: (text: string) => { setRepeated(text); setMessage(null) },
    },
    /** Whether it may go to the server; says why not. */
    ready(): boolean {
      if (!mayBeSent(rules, typed, known)) complain(saying.rulesOpen, inputRef.current)
      else if (typed !== repeated) complain(saying.notTheSame, repeatRef.current)
      else return true
      return false
    },
    refuse(refusal: Refusal): void {
      if (refusal.reason === 'password_rules') setRefused({ failed: refusal.failed ?? [], typed })
      complain(refusal.sentence, inputRef.current)
    },
  }
}
