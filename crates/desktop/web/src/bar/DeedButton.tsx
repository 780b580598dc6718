// A button of the phonebar: sign, word, and its shortcut for those who ask.

import type { Ref } from 'react'
import { Icon } from './Icons'
import { keysOf, type Deed } from './shortcuts'

export function DeedButton(props: {
  icon: Parameters<typeof Icon>[0]['name']
  word: string
  deed?: Deed
  look?: 'plain' | 'good' | 'bad' | 'soft' | 'tile'
  pressed?: boolean
  expanded?: boolean
  /** For ears only: what the word alone does not say, «Hang up +49 …». */
  about?: string
  buttonRef?: Ref<HTMLButtonElement>
  onPress: () => void
}) {
  const keys = props.deed ? keysOf(props.deed) : undefined
  return (
    <button
      ref={props.buttonRef}
      type="button"
      className={`deed deed-${props.look ?? 'plain'}`}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      aria-keyshortcuts={keys}
      title={keys}
      onClick={props.onPress}
    >
      <Icon name={props.icon} />
      <span>{props.word}{props.about ? <span className="unseen"> {props.about}</span> : null}</span>
    </button>
  )
}
