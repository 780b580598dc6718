// A link to another page of ours: an ordinary link for the browser, without a reload.

import type { MouseEvent, ReactNode } from 'react'
import { go } from '../route'

/** `current`: it leads to the page one is on. */
export function AppLink({ to, children, className, current }: { to: string; children: ReactNode; className?: string; current?: boolean }) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to)
  }
  return (
    <a href={to} className={className} aria-current={current ? 'page' : undefined} onClick={follow}>
      {children}
    </a>
  )
}
