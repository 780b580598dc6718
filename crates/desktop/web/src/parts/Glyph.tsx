// State is never told by colour alone: each has a shape, and a word stands beside it.

import type { PhoneState } from '../api'

export type Shape = 'full' | 'half' | 'ring' | 'warn'

export const shapeOf: Record<PhoneState, Shape> = {
  free: 'full',
  in_use: 'half',
  unreachable: 'warn',
  never_registered: 'ring',
}

export function Glyph({ shape }: { shape: Shape }) {
  return (
    <svg className={`glyph glyph-${shape}`} viewBox="0 0 12 12" aria-hidden="true">
      {shape === 'warn' ? (
        <path d="M6 1 11.5 10.800H.5Z" />
      ) : (
        <>
          <circle cx="6" cy="6" r="4.5" className={shape === 'full' ? 'glyph-fill' : 'glyph-line'} />
          {shape === 'half' ? <path d="M6 1.500a4.5 4.5 0 0 1 0 9Z" /> : null}
        </>
      )}
    </svg>
  )
}
