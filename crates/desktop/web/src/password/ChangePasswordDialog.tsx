// A new password, of one's own accord, from the desk.

import { useState, type FormEvent } from 'react'
import { Button, Dialog, Heading, Input, Label, Modal, ModalOverlay, TextField } from 'react-aria-components'
import { api } from '../http'
import { MessageArea } from '../login/MessageArea'
import { words } from '../words'
import { NewPassword } from './NewPassword'
import { useNewPassword } from './useNewPassword'
import { useRules } from './useRules'

export function ChangePasswordDialog({ username, onClose, onChanged }: { username: string; onClose: () => void; onChanged: () => void }) {
  const rules = useRules()
  const [old, setOld] = useState('')
  const [busy, setBusy] = useState(false)
  const [done, setDone] = useState(false)
  const form = useNewPassword(rules, old === '' ? undefined : old)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    if (old === '') return form.setMessage({ tone: 'error', text: words.oldMissing })
    if (!form.ready()) return
    setBusy(true)
    const answer = await api.changePassword(form.typed, old)
    setBusy(false)
    if (!answer.ok) return form.refuse(answer.refusal)
    setDone(true)
    onChanged()
  }
  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => { if (!open) onClose() }}>
      <Modal className="modal">
        <Dialog className="dialog">
          <Heading slot="title" level={2}>Change your password</Heading>
          {done ? (
            <>
              <p role="status" className="message message-good">Your password is changed. From now on use the new one.</p>
              <div className="dialog-foot"><Button autoFocus className="button button-main" onPress={onClose}>Close</Button></div>
            </>
          ) : (
            <form className="form" onSubmit={(event) => void submit(event)} noValidate>
              <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
              <TextField className="field" type="password" value={old} onChange={setOld} autoFocus>
                <Label>Your password of now</Label>
                <Input name="password" autoComplete="current-password" className="input" />
              </TextField>
              <NewPassword {...form.fields} />
              <MessageArea message={form.message} />
              <div className="dialog-foot">
                <Button className="button" onPress={onClose}>Cancel</Button>
                <Button type="submit" className="button button-main" aria-busy={busy}>{busy ? 'Saving…' : 'Change password'}</Button>
              </div>
            </form>
          )}
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
