// Which rows of a long table are in the document: those on screen, a few around, and the one with the keyboard.

/** Beyond each edge, so that a turn of the wheel never shows emptiness. */
export const OVERSCAN = 8

export function rowsToDraw(count: number, rowPx: number, scroll: number, height: number, active: number): number[] {
  const from = Math.max(0, Math.floor(scroll / rowPx) - OVERSCAN)
  const to = Math.min(count, Math.ceil((scroll + height) / rowPx) + OVERSCAN)
  const rows: number[] = []
  for (let i = from; i < to; i += 1) rows.push(i)
  // The row that holds the focus must not be taken out of the document: the focus would fall to the page.
  if (active >= 0 && active < count) {
    if (active < from) rows.unshift(active)
    else if (active >= to) rows.push(active)
  }
  return rows
}

/** Where the row for a key lies after a key press, or null when the key means nothing to a list. */
export function moved(key: string, active: number, count: number, pageRows: number): number | null {
  if (count === 0) return null
  const within = (i: number) => Math.min(count - 1, Math.max(0, i))
  switch (key) {
    case 'ArrowDown': return within(active + 1)
    case 'ArrowUp': return within(active - 1)
    case 'PageDown': return within(active + Math.max(1, pageRows - 1))
    case 'PageUp': return within(active - Math.max(1, pageRows - 1))
    case 'Home': return 0
    case 'End': return count - 1
    default: return null
  }
}

/** The scroll position that shows the row whole below a head that covers the top; null when it is already seen. */
export function scrollToRow(i: number, rowPx: number, scroll: number, height: number, headPx: number): number | null {
  const top = i * rowPx
  // The head is sticky and takes its own room in the flow, so rows begin below it.
  const seen = height - headPx
  if (top < scroll) return top
  if (top + rowPx > scroll + seen) return top + rowPx - seen
  return null
}
