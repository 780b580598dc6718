// A time that runs: «04:12», recounted each second from the server's clock. Not announced; a timer is not news.

import { useEffect, useState } from 'react'
import { lasting, serverNow } from '../clock'

export function Lasting({ since }: { since: number }) {
  const [now, setNow] = useState(serverNow)
  useEffect(() => {
    setNow(serverNow())
    const timer = setInterval(() => setNow(serverNow()), 1_000)
    return () => clearInterval(timer)
  }, [since])
  return (
    <span role="timer" aria-live="off" className="lasting">
      {lasting(now - since)}
    </span>
  )
}
