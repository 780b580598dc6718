// A temporary password, shown this once: to be read out or copied, and then gone from this page.

import { useRef, useState } from 'react'
import { Button } from 'react-aria-components'
import { Notice } from '../parts/Question'

export function OncePassword(props: { who: string; password: string; onClose: () => void }) {
  const [copied, setCopied] = useState<'no' | 'yes' | 'marked'>('no')
  const shown = useRef<HTMLElement>(null)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(props.password)
      setCopied('yes')
    } catch {
      // A browser that keeps the clipboard to itself: marked, so that the keys copy it.
      if (shown.current) document.getSelection()?.selectAllChildren(shown.current)
      setCopied('marked')
    }
  }
  return (
    <Notice title={`Temporary password for ${props.who}`} ok="Done" onOk={props.onClose}>
      <p>It is shown only now. {props.who} uses it once and then chooses a new one.</p>
      <div className="once">
        <code ref={shown}>{props.password}</code>
        <Button className="button" onPress={() => void copy()}>Copy</Button>
      </div>
      <p className="quiet once-said" role="status">{copied === 'yes' ? 'Copied.' : copied === 'marked' ? 'Marked. Copy it with Ctrl+C.' : ''}</p>
    </Notice>
  )
}
