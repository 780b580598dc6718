// The keys of the phonebar. Alt with letters that no browser's menu uses (Chromium has D, E, F; Firefox B, D, E, F, H, S, T,
// V), and never a letter alone, which speech input and small slips would press (WCAG 2.1.4).

export type Deed = 'answer' | 'end' | 'mute' | 'hold' | 'keypad' | 'transfer' | 'number'

export const shortcuts: readonly { deed: Deed; code: string; keys: string; words: string }[] = [
  { deed: 'answer', code: 'KeyA', keys: 'Alt+A', words: 'Answer; in a call: hold and answer the second one' },
  { deed: 'end', code: 'KeyX', keys: 'Alt+X', words: 'Hang up, or reject' },
  { deed: 'mute', code: 'KeyM', keys: 'Alt+M', words: 'Mute, and speak again' },
  { deed: 'hold', code: 'KeyL', keys: 'Alt+L', words: 'Hold, and resume' },
  { deed: 'keypad', code: 'KeyK', keys: 'Alt+K', words: 'Keypad' },
  { deed: 'transfer', code: 'KeyR', keys: 'Alt+R', words: 'Transfer' },
  { deed: 'number', code: 'KeyN', keys: 'Alt+N', words: 'Go to the number field' },
]

/** By the place of the key, so that a Mac's Option letters and other layouts work; AltGr is not Alt. */
export function deedOf(event: Pick<KeyboardEvent, 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'code' | 'repeat'>): Deed | null {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return null
  return shortcuts.find((s) => s.code === event.code)?.deed ?? null
}

export function keysOf(deed: Deed): string {
  return shortcuts.find((s) => s.deed === deed)?.keys ?? ''
}
