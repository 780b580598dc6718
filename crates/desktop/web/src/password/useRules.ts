// The rules of this site, asked for where nobody brought them along.

import { useEffect, useState } from 'react'
import type { PasswordRule } from '../api'
import { api } from '../http'
import { rulesOf } from './rules'

export function useRules(brought: readonly PasswordRule[] | null = null): readonly PasswordRule[] {
  const [rules, setRules] = useState<readonly PasswordRule[]>(brought ?? [])
  const missing = brought === null || brought.length === 0
  useEffect(() => {
    if (!missing) return
    let over = false
    void api.passwordRules().then((answer) => { if (!over && answer.ok) setRules(rulesOf(answer.value)) })
    return () => { over = true }
  }, [missing])
  return missing ? rules : (brought ?? [])
}
