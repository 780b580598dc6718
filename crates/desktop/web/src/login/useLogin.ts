// Carries out what the login machine decides: sends, listens, and feeds every answer back as an event.

import { useCallback, useEffect, useReducer, useRef, useState } from 'react'
import type { Enrolled, LoginAnswer, Me, Refusal } from '../api'
import { openEvents, type Link } from '../events'
import { makePasskey, showPasskey } from '../factors/passkey'
import { api, type Answer } from '../http'
import { words } from '../words'
import { cookiesKept } from './cookies'
import { sendsAgain, start, step, type Flow, type Message } from './flow'
import type { PickerEvent } from './picker'

/** A login this fresh has not expired; if it is unknown, its cookie was not kept. */
const COOKIE_MS = 10_000

export interface LoginControl {
  flow: Flow
  link: Link
  submitCredentials: (username: string, password: string, way?: 'directory') => void
  submitFactor: (kind: 'totp' | 'recovery', code: string) => void
  showPasskey: () => void
  makePasskey: () => void
  /** `refused` hears what the rules said, so that they can be ticked. */
  changePassword: (password: string, refused: (refusal: Refusal) => void) => void
  /** What was typed a moment ago, to tell a new password from the old one. */
  typedPassword: () => string | undefined
  enrolled: (answer: Enrolled) => void
  codesKept: () => void
  say: (message: Message | null) => void
  refuse: (refusal: Refusal, status: number) => void
  submitPhone: () => void
  pick: (event: PickerEvent) => void
  agree: () => void
  decline: () => void
  /** Back to the credentials, as somebody else. */
  startOver: () => void
  closeCookies: () => void
  /** In, and yet unknown when asked who we are: back to the beginning, with the popup. */
  notKept: () => void
}

export function useLogin(me: Me | null, said: Message | null, onIn: () => void, onOut: () => void): LoginControl {
  const [flow, tell] = useReducer(step, { ...start, message: said }, (first) => (me ? step(first, { type: 'resumed', me }) : first))
  const [link, setLink] = useState<Link>('connecting')
  const current = useRef(flow)
  current.current = flow
  const loggedInAt = useRef(0)
  const typed = useRef<string | undefined>(undefined)

  /** Logged in a moment ago and unknown now: the cookie did not come back (SPEC A4). */
  const cookieLost = useCallback((answer: { status: number }): boolean => {
    if (answer.status !== 401 || Date.now() - loggedInAt.current >= COOKIE_MS) return false
    loggedInAt.current = 0
    tell({ type: 'declined' })
    tell({ type: 'cookies', blocked: true })
    return true
  }, [])

  const list = useCallback(async (first: boolean) => {
    const answer = await api.phones()
    if (answer.ok) {
      tell({ type: 'listed', phones: answer.value.phones, last: answer.value.last_phone, now: Date.now() })
    } else if (!(first && cookieLost(answer))) {
      tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
    }
  }, [cookieLost])

  /** An answer that says what comes next, or a refusal. */
  const arrive = useCallback((answer: Answer<LoginAnswer>) => {
    if (!answer.ok) {
      if (['no_session', 'login_expired'].includes(answer.refusal.reason) && cookieLost(answer)) return
      return tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
    }
    // A second factor may come before the new password; until then what was typed is kept.
    if (!['change_password', 'second_factor'].includes(answer.value.state)) typed.current = undefined
    tell({ type: 'logged_in', answer: answer.value })
  }, [cookieLost])

  const submitCredentials = useCallback(async (username: string, password: string, way?: 'directory') => {
    if (current.current.busy) return
    const missing = username.trim() === '' ? words.nameMissing : password === '' ? words.passwordMissing : null
    if (missing) return tell({ type: 'message', message: { tone: 'error', text: missing } })
    if (!cookiesKept()) return tell({ type: 'cookies', blocked: true })
    tell({ type: 'sent' })
    const answer = await api.login(username.trim(), password, way)
    if (answer.ok) {
      loggedInAt.current = Date.now()
      typed.current = password
    }
    if (answer.ok) arrive(answer)
    else tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
  }, [arrive])

  const submitFactor = useCallback(async (kind: 'totp' | 'recovery', code: string) => {
    tell({ type: 'sent' })
    arrive(await api.factor(kind, code))
  }, [arrive])

  const usePasskey = useCallback(async (how: 'show' | 'make') => {
    if (current.current.busy) return
    tell({ type: 'sent' })
    const begun = how === 'show' ? await api.passkeyBegin() : await api.addPasskeyBegin({})
    if (!begun.ok) return tell({ type: 'refused', refusal: begun.refusal, status: begun.status })
    try {
      if (how === 'show') arrive(await api.passkeyFinish(await showPasskey(begun.value)))
      else {
        const answer = await api.addPasskeyFinish(await makePasskey(begun.value))
        if (answer.ok) tell({ type: 'enrolled', answer: answer.value })
        else tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
      }
    } catch {
      // Turned down, timed out, or none there: the browser has told already, in its own words.
      tell({ type: 'message', message: { tone: 'info', text: how === 'show' ? words.passkeyNotShown : words.passkeyNotMade } })
    }
  }, [arrive])

  const changePassword = useCallback(async (password: string, refused: (refusal: Refusal) => void) => {
    if (current.current.busy) return
    tell({ type: 'sent' })
    const answer = await api.changePassword(password)
    if (answer.ok || answer.status === 401) return arrive(answer)
    tell({ type: 'message', message: null })
    refused(answer.refusal)
  }, [arrive])

  const sendPhone = useCallback(async (phone: string | null, epoch: number | null) => {
    tell({ type: 'sent' })
    const answer = await api.sitDown(phone, epoch)
    if (answer.ok) return tell({ type: 'seated' })
    if (cookieLost(answer)) return
    tell({ type: 'refused', refusal: answer.refusal, status: answer.status })
    // SPEC B4: the list is refreshed, nothing is typed again.
    if (phone !== null && (answer.status === 409 || answer.status === 422)) await list(false)
    // Nothing to choose and nothing granted: the half-finished login has no use any more, unless there is a question.
    if (phone === null && !answer.refusal.held) void api.logout()
  }, [list, cookieLost])

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
    submitCredentials: (username, password, way) => void submitCredentials(username, password, way),
    submitFactor: (kind, code) => void submitFactor(kind, code),
    showPasskey: () => void usePasskey('show'),
    makePasskey: () => void usePasskey('make'),
    changePassword: (password, refused) => void changePassword(password, refused),
    typedPassword: () => typed.current,
    enrolled: useCallback((answer: Enrolled) => tell({ type: 'enrolled', answer }), []),
    codesKept: useCallback(() => tell({ type: 'codes_kept' }), []),
    say: useCallback((message: Message | null) => tell({ type: 'message', message }), []),
    refuse: useCallback((refusal: Refusal, status: number) => tell({ type: 'refused', refusal, status }), []),
    submitPhone,
    pick: useCallback((event: PickerEvent) => tell({ type: 'picker', event }), []),
    agree,
    decline: leave,
    startOver: leave,
    notKept: useCallback(() => {
      tell({ type: 'declined' })
      tell({ type: 'cookies', blocked: true })
    }, []),
    closeCookies: () => tell({ type: 'cookies', blocked: false }),
  }
}
