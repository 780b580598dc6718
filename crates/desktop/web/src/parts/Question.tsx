// A question that must be answered before anything else: a dialog whose first, focused answer changes nothing.

import type { ReactNode } from 'react'
import { Button, Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components'

export function Question(props: {
  title: string
  children: ReactNode
  no: string
  yes: string
  onNo: () => void
  onYes: () => void
}) {
  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => { if (!open) props.onNo() }}>
      <Modal className="modal">
        <Dialog role="alertdialog" className="dialog">
          <Heading slot="title" level={2}>{props.title}</Heading>
          <div className="dialog-body">{props.children}</div>
          <div className="dialog-foot">
            <Button autoFocus className="button" onPress={props.onNo}>{props.no}</Button>
            <Button className="button button-main" onPress={props.onYes}>{props.yes}</Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

/** Something that must be read, with one answer. */
export function Notice(props: { title: string; children: ReactNode; ok: string; onOk: () => void }) {
  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => { if (!open) props.onOk() }}>
      <Modal className="modal">
        <Dialog role="alertdialog" className="dialog">
          <Heading slot="title" level={2}>{props.title}</Heading>
          <div className="dialog-body">{props.children}</div>
          <div className="dialog-foot">
            <Button autoFocus className="button button-main" onPress={props.onOk}>{props.ok}</Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
