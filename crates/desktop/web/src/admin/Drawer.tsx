// What is open beside the list: one agent, one login, one phone. A dialog; Escape closes it and the row has the focus
// again.

import type { ReactNode } from 'react'
import { Button, Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components'

export function Drawer(props: { title: string; sub?: ReactNode; onClose: () => void; children: ReactNode }) {
  return (
    <ModalOverlay className="overlay drawer-overlay" isOpen isDismissable onOpenChange={(open) => { if (!open) props.onClose() }}>
      <Modal className="drawer">
        <Dialog className="drawer-dialog">
          <header className="drawer-head">
            <div>
              <Heading slot="title" level={2}>{props.title}</Heading>
              {props.sub ? <p className="quiet">{props.sub}</p> : null}
            </div>
            <Button className="button button-small" onPress={props.onClose}>Close</Button>
          </header>
          <div className="drawer-body">{props.children}</div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

export function Facts({ rows }: { rows: readonly [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
