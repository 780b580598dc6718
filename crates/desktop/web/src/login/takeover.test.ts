import { describe, expect, it } from 'vitest'
import { whatAYesDoes } from './takeover'

describe('what a yes to the question does', () => {
  it('names the policy where a call is up', () => {
    expect(whatAYesDoes({ activity: 'in_call', takeover: 'end' })).toContain('the call with it')
    expect(whatAYesDoes({ activity: 'in_call', takeover: 'refuse' })).toContain('Finish the call there first')
    expect(whatAYesDoes({ activity: 'in_call', takeover: 'move' })).toContain('goes on here')
  })

  it('frightens nobody where none is', () => {
    for (const takeover of ['end', 'refuse', 'move'] as const) {
      expect(whatAYesDoes({ activity: 'idle', takeover })).not.toContain('call')
      expect(whatAYesDoes({ activity: 'ringing', takeover })).toContain('stops ringing')
    }
  })
})
