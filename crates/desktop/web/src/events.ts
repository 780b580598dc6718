// The event stream: a WebSocket that comes back by itself, goes on where it was, and says when the connection is gone.

import type { Frame } from './api'

export type Link = 'connecting' | 'up' | 'lost'

/** The server pings more often than this; silence beyond it means the connection is dead though nobody said so. */
export const SILENCE_MS = 35_000
/** A shorter interruption is healed without a word. */
export const PATIENCE_MS = 1_500
const BACKOFF_MS = [250, 1_000, 2_000, 4_000, 8_000, 10_000]

/** Before the n-th attempt in a row, n from 0; `chance` in 0..1 spreads a thousand pages over time. */
export function backoffMs(attempt: number, chance: number): number {
  const base = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 10_000
  return Math.round(base * (0.5 + chance / 2))
}

/** Where we are in the stream, and whether a frame is new. A snapshot resets: the server may have restarted. */
export function follow(last: number | null, frame: Frame): { last: number | null; fresh: boolean } {
  if (frame.seq === undefined) return { last, fresh: true }
  if (frame.type === 'snapshot') return { last: frame.seq, fresh: true }
  if (last !== null && frame.seq <= last) return { last, fresh: false }
  return { last: frame.seq, fresh: true }
}

export interface EventsOptions {
  onFrame: (frame: Frame) => void
  onLink: (link: Link) => void
  /** The socket could not be opened or was closed: the place to ask whether the session still lives. */
  onClosed: () => void
  /** Up again after it was lost. */
  onBack: () => void
}

/** Opens the stream; the answer closes it for good. */
export function openEvents(options: EventsOptions): () => void {
  let socket: WebSocket | null = null
  let last: number | null = null
  let attempt = 0
  let over = false
  let link: Link = 'connecting'
  let retry: ReturnType<typeof setTimeout> | undefined
  let silence: ReturnType<typeof setTimeout> | undefined
  let patience: ReturnType<typeof setTimeout> | undefined

  const tell = (now: Link) => {
    if (now === link) return
    const was = link
    link = now
    options.onLink(now)
    if (was === 'lost' && now === 'up') options.onBack()
  }

  const listen = () => {
    clearTimeout(silence)
    silence = setTimeout(() => socket?.close(), SILENCE_MS)
  }

  const dropped = () => {
    clearTimeout(silence)
    socket = null
    if (over) return
    patience ??= setTimeout(() => tell('lost'), navigator.onLine === false ? 0 : PATIENCE_MS)
    options.onClosed()
    clearTimeout(retry)
    retry = setTimeout(connect, backoffMs(attempt, Math.random()))
    attempt += 1
  }

  function connect(): void {
    if (over || socket) return
    clearTimeout(retry)
    const url = new URL('/api/events', location.href)
    url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:'
    if (last !== null) url.searchParams.set('after', String(last))
    const ws = new WebSocket(url)
    socket = ws
    listen()
    ws.onopen = () => {
      clearTimeout(patience)
      patience = undefined
      attempt = 0
      tell('up')
    }
    ws.onmessage = (message) => {
      listen()
      const frame = parse(message.data)
      if (!frame) return
      const followed = follow(last, frame)
      last = followed.last
      if (followed.fresh && frame.type !== 'ping') options.onFrame(frame)
    }
    ws.onclose = () => {
      if (socket === ws) dropped()
    }
  }

  const hurry = () => {
    attempt = 0
    connect()
  }
  const offline = () => {
    // The socket may take minutes to notice; the system knows now.
    tell('lost')
    socket?.close()
  }
  const seen = () => {
    if (document.visibilityState === 'visible') hurry()
  }
  window.addEventListener('online', hurry)
  window.addEventListener('offline', offline)
  document.addEventListener('visibilitychange', seen)
  connect()

  return () => {
    over = true
    for (const timer of [retry, silence, patience]) clearTimeout(timer)
    window.removeEventListener('online', hurry)
    window.removeEventListener('offline', offline)
    document.removeEventListener('visibilitychange', seen)
    socket?.close()
  }
}

function parse(data: unknown): Frame | null {
  if (typeof data !== 'string') return null
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null && 'type' in value ? (value as Frame) : null
  } catch {
    return null
  }
}
