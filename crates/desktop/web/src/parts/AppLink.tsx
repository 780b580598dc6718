// A link to another page of ours: an ordinary link for the browser, without a reload.

import type { MouseEvent, ReactNode } from 'react'
import { go } from '../route'

export function AppLink({ to, children, className }: { to: string; children: ReactNode; className?: string }) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to)
  }
  return (
    <a href={to} className={className} onClick={follow}>
      {children}
    </a>
  )
}
