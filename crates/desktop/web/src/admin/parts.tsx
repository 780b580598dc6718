// What the pages with lists share: the head with title and search, the line below the list, the density.

import { useEffect, useRef, useState, type ReactNode } from 'react'
import { at } from '../clock'
import { PageTitle } from '../parts/Frame'
import { go, usePath, useSearch } from '../route'
import type { Loaded } from './load'
import { withParts } from './place'

export function PageHead({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="page-head">
      <PageTitle title={title}>{title}</PageTitle>
      {children ? <div className="page-tools">{children}</div> : null}
    </div>
  )
}

/** A part of the address as a value. Written with `replace` while typing, with `push` where Back should undo it. */
export function usePart(name: string): [string, (value: string, how?: 'push' | 'replace') => void] {
  const path = usePath()
  const search = useSearch()
  const value = new URLSearchParams(search).get(name) ?? ''
  const set = (next: string, how: 'push' | 'replace' = 'replace') =>
    go(withParts(path, location.search, { [name]: next }), how, 'stay')
  return [value, set]
}

/** The typed text once typing has paused, so that not each letter is a question to the server. */
export function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}

/** `/` goes here from anywhere on the page that is not itself for typing. */
export function Search(props: { label: string; value: string; onChange: (value: string) => void }) {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return
      const target = event.target as HTMLElement
      if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest('[role=dialog], [role=alertdialog]')) return
      event.preventDefault()
      input.current?.focus()
    }
    document.addEventListener('keydown', pressed)
    return () => document.removeEventListener('keydown', pressed)
  }, [])
  return (
    <label className="tool tool-search">
      <span>{props.label}</span>
      <input
        ref={input}
        className="input input-small"
        type="search"
        aria-keyshortcuts="/"
        autoComplete="off"
        spellCheck={false}
        maxLength={100}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape' && props.value !== '') { event.preventDefault(); props.onChange('') }
          if (event.key === 'ArrowDown') {
            const first = document.querySelector<HTMLElement>('.table [data-active] a')
            if (first) { event.preventDefault(); first.focus() }
          }
        }}
      />
    </label>
  )
}

export function Choice(props: { label: string; value: string; options: readonly (readonly [string, string])[]; onChange: (value: string) => void }) {
  return (
    <label className="tool">
      <span>{props.label}</span>
      <select className="input input-small" value={props.value} onChange={(event) => props.onChange(event.target.value)}>
        {props.options.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
      </select>
    </label>
  )
}

/** One line, always: how many, and whether what is shown is what is true now. */
export function ListFoot(props: { loaded: Loaded<unknown>; count: string; waiting?: number; onCatchUp?: () => void; more?: ReactNode }) {
  const { loaded, waiting = 0 } = props
  return (
    <div className="list-foot">
      <span>{props.count}</span>
      {waiting > 0 && props.onCatchUp ? (
        <button type="button" className="link-button" onClick={props.onCatchUp}>Show {waiting} new</button>
      ) : null}
      {loaded.at === 'there' && loaded.stale ? (
        <span className="list-stale" role="status">As of {at(loaded.asOf)}. {loaded.stale.sentence}</span>
      ) : null}
      {props.more}
    </div>
  )
}

const DENSITY = 'hotseat-admin-density'

/** Rows closer together, kept in this browser. */
export function useDensity(): [boolean, ReactNode] {
  const [compact, setCompact] = useState(() => {
    try { return localStorage.getItem(DENSITY) === 'compact' } catch { return false }
  })
  const toggle = () => {
    setCompact(!compact)
    // Without storage it holds as long as the page.
    try { localStorage.setItem(DENSITY, compact ? 'normal' : 'compact') } catch { /* as said */ }
  }
  return [compact, (
    <button key="density" type="button" className="link-button list-density" aria-pressed={compact} onClick={toggle}>Compact rows</button>
  )]
}
