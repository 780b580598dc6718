// The signs on the buttons; a word stands beside each.

const paths = {
  call: 'M6 4h3l1.500 4-2 1.500a11 11 0 0 0 5.500 5.500l1.500-2 4 1.500v3a2 2 0 0 1-2 2A15.500 15.500 0 0 1 4 6a2 2 0 0 1 2-2Z',
  end: 'M3 14.500c5-5 13-5 18 0l-2 2.500-4-1.500v-2.500a11 11 0 0 0-6 0v2.500L5 17Z',
  mute: 'M9 9V7a3 3 0 0 1 6 0v4m-1 3.200A3 3 0 0 1 9 12M6 11.500a6 6 0 0 0 9 5.200M18 11.500a6 6 0 0 1-.700 2.800M12 18v3M4 4l16 16',
  hold: 'M9 5v14M15 5v14',
  keypad: 'M6 5h.01M12 5h.01M18 5h.01M6 10.500h.01M12 10.500h.01M18 10.500h.01M6 16h.01M12 16h.01M18 16h.01M12 21h.01',
  transfer: 'M4 8h13m-4-4 4 4-4 4M20 16H7',
  resume: 'M8 5v14l11-7Z',
  in: 'M18 6 7 17m0-8v8h8',
  out: 'M6 18 17 7m-8 0h8v8',
} as const

export function Icon({ name }: { name: keyof typeof paths }) {
  return (
    <svg className={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
