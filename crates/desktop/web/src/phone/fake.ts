// A telephone for tests: no wire, no sound. The test plays the other side.

import type { Account, CallId, CallOptions, CallView, EndWhy, Phone, PhoneEvent, PhoneView, Thread } from './phone'
import { idlePhone } from './phone'

export class FakePhone implements Phone {
  view: PhoneView = idlePhone
  account: Account | null = null
  wanted = false
  stopped: { hangUp: boolean } | null = null
  digitsSent = ''
  resumed: Thread[] = []
  probes = 0
  private listeners = new Set<(event: PhoneEvent) => void>()
  private made = 0

  listen(listener: (event: PhoneEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  tell(event: PhoneEvent): void {
    for (const listener of [...this.listeners]) listener(event)
  }
  set(more: Partial<PhoneView>): void {
    this.view = { ...this.view, ...more }
    this.tell({ type: 'changed' })
  }
  change(id: CallId, more: Partial<CallView>): void {
    this.set({ calls: this.view.calls.map((c) => (c.id === id ? { ...c, ...more } : c)) })
  }
  end(id: CallId, why: EndWhy): void {
    const call = this.view.calls.find((c) => c.id === id)
    if (!call) return
    this.set({ calls: this.view.calls.filter((c) => c.id !== id) })
    this.tell({ type: 'ended', call, why })
  }
  /** Somebody calls. */
  rings(number: string, name: string | null = null): CallId {
    return this.add({ direction: 'in', peer: { number, name }, phase: 'ringing' })
  }

  use(account: Account): void {
    this.account = account
    this.set({ line: 'up', registered: this.wanted })
  }
  register(wanted: boolean): void {
    if (this.wanted === wanted) return
    this.wanted = wanted
    this.set({ registered: wanted && this.account !== null })
  }
  call(number: string, options: CallOptions = {}): CallId | null {
    if (this.account === null) return null
    if (options.resume) {
      this.resumed.push(options.resume.thread)
      return this.add({ ...options.resume.view, phase: 'mending' })
    }
    return this.add({ direction: 'out', peer: { number, name: null }, phase: 'dialing', test: options.test ?? false })
  }
  answer(id: CallId): void { this.change(id, { phase: 'up', answered: 1_000 }) }
  reject(id: CallId): void { this.end(id, 'rejected') }
  hangUp(id: CallId): void { this.end(id, 'hung_up') }
  mute(id: CallId, on: boolean): void { this.change(id, { muted: on }) }
  hold(id: CallId, on: boolean): void { this.change(id, { held: on }) }
  digits(_id: CallId, digits: string): boolean { this.digitsSent += digits; return true }
  transfer(id: CallId, to: string): void { this.change(id, { transfer: { to, state: 'asked' } }) }
  useMicrophone(): void {}
  async stats(): Promise<null> { return null }
  thread(id: CallId): Thread | null { return { callId: `call-${id}`, local: 'ours', remote: 'theirs' } }
  probe(): void { this.probes += 1 }
  stop(options: { hangUp: boolean }): void { this.stopped = options }

  private add(more: Partial<CallView> & Pick<CallView, 'direction' | 'peer' | 'phase'>): CallId {
    this.made += 1
    const id = `c${this.made}`
    const call: CallView = {
      id, muted: false, held: false, heldByPeer: false, began: 0, answered: null, transfer: null, test: false, ...more,
    }
    this.set({ calls: [...this.view.calls, call] })
    return id
  }
}
