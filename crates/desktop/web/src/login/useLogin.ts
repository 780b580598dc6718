// Carries out what the login machine decides: sends, listens, and feeds every answer back as an event.

import { useCallback, useEffect, useReducer, useRef, useState } from 'react'
import type { Me } from '../api'
import { openEvents, type Link } from '../events'
import { api } from '../http'
import { words } from '../words'
import { sendsAgain, start, step, type Flow } from './flow'
import type { PickerEvent } from './picker'

/** A login this fresh has not expired; if it is unknown, its cookie was not kept. */
const COOKIE_MS = 10_000

export interface LoginControl {
  flow: Flow
  link: Link
  submitCredentials: (username: string, password: string) => void
  submitPhone: () => void
  pick: (event: PickerEvent) => void
  agree: () => void
  decline: () => void
  /** Back to the credentials, as somebody else. */
  startOver: () => void
  closeCookies: () => void
}

export function useLogin(me: Me | null, onIn: () => void, onOut: () => void): LoginControl {
  const [flow, tell] = useReducer(step, start, (first) => (me ? step(first, { type: 'resumed', me }) : first))
  const [link, setLink] = useState<Link>('connecting')
  const current = useRef(flow)
  current.current = flow
  const loggedInAt = useRef(0)

  const list = useCallback(async (first: boolean) => {
    const answer = await api.phones()
    if (answer.ok) {
      tell({ type: 'listed', phones: answer.value.phones, last: answer.value.last_phone, now: Date.now() })
    } else if (first && answer.status === 401 && Date.now() - loggedInAt.current < COOKIE_MS) {
      // Logged in a moment ago and unknown now: the cookie did not come back (SPEC A4).
      loggedInAt.current = 0
      tell({ type: 'declined' })
      tell({ type: 'cookies', blocked: true })
    } else {
      tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
    }
  }, [])

  const submitCredentials = useCallback(async (username: string, password: string) => {
    if (current.current.busy) return
    const missing = username.trim() === '' ? words.nameMissing : password === '' ? words.passwordMissing : null
    if (missing) return tell({ type: 'message', message: { tone: 'error', text: missing } })
    if (!navigator.cookieEnabled) return tell({ type: 'cookies', blocked: true })
    tell({ type: 'sent' })
    const answer = await api.login(username.trim(), password)
    if (answer.ok) {
      loggedInAt.current = Date.now()
      tell({ type: 'logged_in', answer: answer.value })
    } else tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
  }, [])

  const sendPhone = useCallback(async (phone: string | null, epoch: number | null) => {
    tell({ type: 'sent' })
    const answer = await api.sitDown(phone, epoch)
    if (answer.ok) return tell({ type: 'seated' })
    tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
    // SPEC B4: the list is refreshed, nothing is typed again.
    if (phone !== null && (answer.status === 409 || answer.status === 422)) await list(false)
    // Nothing to choose and nothing granted: the half-finished login has no use any more, unless there is a question.
    if (phone === null && !answer.refusal.held) void api.logout()
  }, [list])

  const noChoice = flow.step === 'no_choice'
  useEffect(() => {
    if (noChoice) void sendPhone(null, current.current.take_over_epoch)
  }, [noChoice, sendPhone])

  const submitPhone = useCallback(() => {
    const { busy, picker, take_over_epoch } = current.current
    if (busy) return
    if (picker.selected === null) return tell({ type: 'message', message: { tone: 'error', text: words.choosePhone } })
    void sendPhone(picker.selected, take_over_epoch)
  }, [sendPhone])

  const agree = useCallback(() => {
    const { question, picker } = current.current
    const again = sendsAgain(question)
    tell({ type: 'agreed' })
    if (again && question && picker.selected !== null) void sendPhone(picker.selected, question.held.epoch)
  }, [sendPhone])

  const leave = useCallback(() => {
    // Only the half-finished login of this browser is forgotten; the login elsewhere is not touched.
    void api.logout()
    tell({ type: 'declined' })
    onOut()
  }, [onOut])

  useEffect(() => {
    if (flow.step !== 'phone') return
    void list(true)
    return openEvents({
      onFrame: (frame) => tell({ type: 'frame', frame, now: Date.now() }),
      onLink: setLink,
      onClosed: () => {},
      onBack: () => void list(false),
    })
  }, [flow.step, list])

  const isIn = flow.step === 'in'
  useEffect(() => {
    if (isIn) onIn()
  }, [isIn, onIn])

  return {
    flow,
    link,
    submitCredentials: (username, password) => void submitCredentials(username, password),
    submitPhone,
    pick: useCallback((event: PickerEvent) => tell({ type: 'picker', event }), []),
    agree,
    decline: leave,
    startOver: leave,
    closeCookies: () => tell({ type: 'cookies', blocked: false }),
  }
}
