// Something an administrator does to somebody: asked once, sent, done or refused. Plain, so that a test can play it.

import type { Refusal } from '../api'

export interface Asking {
  title: string
  /** Who is touched and what happens to them, a sentence each. */
  effects: string[]
  yes: string
}

export type DeedState<D> =
  | { at: 'idle' }
  | { at: 'asked'; deed: D; asking: Asking }
  | { at: 'busy'; deed: D }
  | { at: 'done'; deed: D; sentence: string }
  | { at: 'refused'; deed: D; sentence: string }

export type DeedEvent<D> =
  | { type: 'ask'; deed: D; asking: Asking }
  | { type: 'no' }
  /** The yes to what was asked, or a deed that needs no question. */
  | { type: 'send'; deed: D }
  | { type: 'done'; sentence: string }
  | { type: 'refused'; refusal: Refusal }
  | { type: 'forget' }

export function deedStep<D>(state: DeedState<D>, event: DeedEvent<D>): DeedState<D> {
  switch (event.type) {
    case 'ask': return state.at === 'busy' ? state : { at: 'asked', deed: event.deed, asking: event.asking }
    case 'no': return state.at === 'asked' ? { at: 'idle' } : state
    // A second press while the first is on its way does nothing.
    case 'send': return state.at === 'busy' ? state : { at: 'busy', deed: event.deed }
    case 'done': return state.at === 'busy' ? { at: 'done', deed: state.deed, sentence: event.sentence } : state
    case 'refused': return state.at === 'busy' ? { at: 'refused', deed: state.deed, sentence: event.refusal.sentence } : state
    case 'forget': return state.at === 'busy' ? state : { at: 'idle' }
  }
}
