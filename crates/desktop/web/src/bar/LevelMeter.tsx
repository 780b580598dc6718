// How loud the microphone is, while one looks. It takes a microphone of its own and gives it back.

import { useEffect, useRef, useState } from 'react'
import type { Softphone } from '../phone/softphone'
import { bar, meter } from '../phone/sound'

/** Ten times a second moves well enough and costs nothing that could be felt in a call. */
const EVERY_MS = 100

export function LevelMeter({ softphone, device }: { softphone: Softphone; device: string }) {
  const fill = useRef<HTMLDivElement>(null)
  const [deaf, setDeaf] = useState(false)
  useEffect(() => {
    let over = false
    let clean = () => {}
    setDeaf(false)
    softphone.openMicrophone().then((stream) => {
      const stop = () => { for (const track of stream.getTracks()) track.stop() }
      if (over) return stop()
      const level = meter(softphone.audio(), stream)
      const timer = setInterval(() => {
        if (fill.current) fill.current.style.scale = `${bar(level.read()).toFixed(3)} 1`
      }, EVERY_MS)
      clean = () => { clearInterval(timer); level.close(); stop() }
    }, () => { if (!over) setDeaf(true) })
    return () => { over = true; clean() }
  }, [softphone, device])
  return (
    <div className="level">
      <span className="level-label">Level</span>
      <div className="level-track" aria-hidden="true"><div ref={fill} className="level-fill" /></div>
      <span className="unseen">{deaf ? 'The microphone does not open.' : 'The bar moves while you speak.'}</span>
    </div>
  )
}
