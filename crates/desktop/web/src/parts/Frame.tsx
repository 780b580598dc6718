// What the small pages share: the mark, the card in the middle, the quiet line at the bottom.

import { useEffect, useRef, type ReactNode } from 'react'
import type { Site } from '../api'

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="mark-ground" />
      <path d="M10 6v11a3 3 0 0 0 3 3h9M16.5 20v6M12 26h9" className="mark-seat" />
      <circle cx="22" cy="10" r="3" className="mark-light" />
    </svg>
  )
}

export function Frame({ site, children, wide }: { site?: Site | null; children: ReactNode; wide?: boolean }) {
  return (
    <div className="frame">
      <header className="frame-head">
        <Mark />
        <span>{site?.name ?? 'Hotseat'}</span>
      </header>
      <main className={wide ? 'card card-wide' : 'card'}>{children}</main>
      <footer className="frame-foot">
        {site ? (
          <>
            {site.environment ? <span className="tag">{site.environment}</span> : null}
            <span>
              {site.name} {site.version}
            </span>
          </>
        ) : null}
      </footer>
    </div>
  )
}

/** The heading of a page that replaced another: it takes the focus, so that a screen reader says it. */
export function PageTitle({ children, title }: { children: ReactNode; title: string }) {
  const ref = useRef<HTMLHeadingElement>(null)
  useTitle(title)
  useEffect(() => ref.current?.focus({ preventScroll: true }), [])
  return (
    <h1 ref={ref} tabIndex={-1} className="page-title">
      {children}
    </h1>
  )
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Hotseat' : `${title} · Hotseat`
  }, [title])
}
