// Where refusals appear. It always has its height, so that nothing jumps when one comes.

import type { ReactNode } from 'react'
import type { Message } from './flow'

export function MessageArea({ message, children }: { message: Message | null; children?: ReactNode }) {
  return (
    <div className="message-area">
      <div role="alert">{message?.tone === 'error' ? <p className="message message-error">{message.text}</p> : null}</div>
      <div role="status">{message?.tone === 'info' ? <p className="message message-info">{message.text}</p> : null}</div>
      {message ? null : children}
    </div>
  )
}
