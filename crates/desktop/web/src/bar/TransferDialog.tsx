// Hands the call to someone else, without asking there first.

import { useState, type FormEvent } from 'react'
import { Button, Dialog, Heading, Input, Label, Modal, ModalOverlay, TextField } from 'react-aria-components'
import { dialled } from '../phone/dial'
import type { Peer } from '../phone/phone'

export function TransferDialog(props: { peer: Peer; onTransfer: (number: string) => void; onClose: () => void }) {
  const [text, setText] = useState('')
  const [wrong, setWrong] = useState(false)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const number = dialled(text)
    if (number === null) return setWrong(true)
    props.onTransfer(number)
  }
  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => { if (!open) props.onClose() }}>
      <Modal className="modal">
        <Dialog className="dialog">
          <form className="form" onSubmit={submit} noValidate>
            <Heading slot="title" level={2}>Transfer the call</Heading>
            <p className="wrap">{props.peer.name ?? props.peer.number} is connected to the number you enter; your part of the call ends.</p>
            <TextField className="field" value={text} onChange={(value) => { setText(value); setWrong(false) }} isInvalid={wrong} autoFocus>
              <Label>Number or extension</Label>
              <Input className="input" inputMode="tel" autoComplete="off" autoCapitalize="none" spellCheck={false} maxLength={60} />
            </TextField>
            <div role="alert">{wrong ? <p className="message message-error">That is not a number.</p> : null}</div>
            <div className="dialog-foot">
              <Button className="button" onPress={props.onClose}>Cancel</Button>
              <Button type="submit" className="button button-main">Transfer</Button>
            </div>
          </form>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
