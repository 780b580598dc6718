// Which page an address means, and where to go back to after the login.

import { useSyncExternalStore } from 'react'

export type Place = 'login' | 'desk' | 'phonebar' | 'admin' | 'forgot' | 'reset' | 'ticket' | 'help' | 'logged-out' | 'unknown'

export function placeOf(path: string): Place {
  if (path === '/admin' || path.startsWith('/admin/')) return 'admin'
  switch (path.replace(/\/+$/, '') || '/') {
    case '/': return 'desk'
    case '/phonebar': return 'phonebar'
    case '/login': return 'login'
    case '/forgot': return 'forgot'
    case '/reset': return 'reset'
    case '/t': return 'ticket'
    case '/help': return 'help'
    case '/logged-out': return 'logged-out'
    default: return 'unknown'
  }
}

/** A path of this very site, or `/`. Anything that a browser could read as another origin is not followed. */
export function safeNext(next: string | null, origin: string): string {
  // Backslashes count as slashes and control characters are dropped by browsers: neither has a place in our paths.
  if (!next || !next.startsWith('/') || next.startsWith('//') || /[\\\u0000-\u0020\u007f]/.test(next)) return '/'
  let url: URL
  try {
    url = new URL(next, origin)
  } catch {
    return '/'
  }
  if (url.origin !== origin) return '/'
  // Back to where one wanted to work, not to another step of getting in or out.
  if (['login', 'logged-out', 'forgot', 'reset', 'ticket'].includes(placeOf(url.pathname)) || url.pathname.startsWith('/api')) return '/'
  return url.pathname + url.search + url.hash
}

/** The login page that brings back to where the person wanted to go. */
export function loginPath(from: string): string {
  return from === '/' ? '/login' : `/login?next=${encodeURIComponent(from)}`
}

const listeners = new Set<() => void>()

function changed(): void {
  for (const listener of listeners) listener()
}

/** `stay`: another view of the same page, which stays scrolled where it is. */
export function go(to: string, how: 'push' | 'replace' = 'push', scroll: 'top' | 'stay' = 'top'): void {
  if (how === 'push') history.pushState(null, '', to)
  else history.replaceState(null, '', to)
  if (scroll === 'top') window.scrollTo(0, 0)
  changed()
}

function listen(listener: () => void): () => void {
  listeners.add(listener)
  window.addEventListener('popstate', listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener('popstate', listener)
  }
}

export function usePath(): string {
  return useSyncExternalStore(listen, () => location.pathname)
}

/** What stands behind the path: `?find=ann`, or nothing. */
export function useSearch(): string {
  return useSyncExternalStore(listen, () => location.search)
}
