// One softphone for as long as the page of one login is open.

import { useEffect, useState, useSyncExternalStore } from 'react'
import { api } from '../http'
import { Ringer } from '../phone/ringer'
import { Softphone, type SoftphoneView } from '../phone/softphone'
import { Sound } from '../phone/sound'
import { tabId } from '../phone/tab'

export function useSoftphone(agent: string): { softphone: Softphone; view: SoftphoneView } {
  const [softphone] = useState(() => {
    const sound = new Sound()
    return new Softphone({
      agent,
      tab: tabId,
      api,
      // SIP comes when it is needed, not before the login.
      phone: async (media, instance) => new (await import('../phone/jssip')).JssipPhone(media, instance),
      sound,
      ringer: new Ringer(sound),
    })
  })
  useEffect(() => {
    void softphone.start()
    return () => softphone.stop()
  }, [softphone])
  return { softphone, view: useSyncExternalStore(softphone.listen, softphone.snapshot) }
}
