// What a yes to «User already logged. Do you want to continue?» would do, by the administrator's policy for calls.

import type { Held } from '../api'

export function whatAYesDoes({ activity, takeover }: Pick<Held, 'activity' | 'takeover'>): string {
  if (activity === 'idle') return 'If you continue, that login ends at once.'
  if (activity === 'ringing') return 'If you continue, that login ends at once and stops ringing there.'
  switch (takeover) {
    case 'end': return 'If you continue, that login ends at once, and the call with it.'
    case 'refuse': return 'While this call is up nobody can take over this login. Finish the call there first, then continue.'
    case 'move': return 'If you continue, that login ends at once, and the call goes on here.'
  }
}
