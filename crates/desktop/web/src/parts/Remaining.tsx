// A time that runs out: «59:12», counted down each second by the server's clock. Not announced; it only runs.

import { useEffect, useRef, useState } from 'react'
import { lasting, serverNow } from '../clock'

export function Remaining({ until, onOver }: { until: number; onOver?: () => void }) {
  const [now, setNow] = useState(serverNow)
  const over = useRef(onOver)
  over.current = onOver
  useEffect(() => {
    const tick = () => {
      setNow(serverNow())
      if (serverNow() < until) return
      clearInterval(timer)
      over.current?.()
    }
    const timer = setInterval(tick, 1_000)
    tick()
    return () => clearInterval(timer)
  }, [until])
  return <span role="timer" aria-live="off" className="lasting">{lasting(until - now)}</span>
}
