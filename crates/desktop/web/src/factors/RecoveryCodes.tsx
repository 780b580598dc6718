// The codes for the day the telephone with the authenticator is gone: shown once, to be copied, printed or saved.

import { useState } from 'react'
import { Button } from 'react-aria-components'

export function RecoveryCodes({ codes, site, onKept, done }: { codes: readonly string[]; site: string; onKept: () => void; done: string }) {
  const [kept, setKept] = useState(false)
  const [said, setSaid] = useState('')
  const text = `Recovery codes for ${site} (${location.host})\nEach works once.\n\n${codes.join('\n')}\n`
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setSaid('Copied.')
    } catch {
      setSaid('The browser did not allow copying. Please print or save them.')
    }
  }
  const save = () => {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    const link = Object.assign(document.createElement('a'), { href: url, download: 'recovery-codes.txt' })
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 10_000)
    setSaid('Saved as recovery-codes.txt.')
  }
  return (
    <>
      <p>If you lose your authenticator, one of these codes lets you in. Each works once, and they are <b>shown only now</b>.</p>
      <div className="printed">
        <p className="print-only">Recovery codes for {site} ({location.host}). Each works once.</p>
        <ol className="codes" aria-label="Recovery codes">
          {codes.map((code) => <li key={code}><code>{code}</code></li>)}
        </ol>
      </div>
      <div className="codes-deeds">
        <Button className="button" onPress={() => void copy()}>Copy</Button>
        <Button className="button" onPress={() => print()}>Print</Button>
        <Button className="button" onPress={save}>Save</Button>
      </div>
      <p className="codes-said quiet" role="status">{said}</p>
      <label className="check">
        <input type="checkbox" checked={kept} onChange={(event) => setKept(event.target.checked)} />
        <span>I have put them where I find them again</span>
      </label>
      <Button className="button button-main button-wide" isDisabled={!kept} onPress={onKept}>{done}</Button>
    </>
  )
}
