// Which keys do what.

import { Notice } from '../parts/Question'
import { shortcuts } from './shortcuts'

export function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  return (
    <Notice title="Keyboard shortcuts" ok="Close" onOk={onClose}>
      <dl className="keys">
        {shortcuts.map((s) => (
          <div key={s.deed}>
            <dt><kbd>{s.keys}</kbd></dt>
            <dd>{s.words}</dd>
          </div>
        ))}
        <div>
          <dt><kbd>Esc</kbd></dt>
          <dd>Close the keypad or a dialog</dd>
        </div>
      </dl>
      <p className="quiet">On a Mac, Alt is the Option key. In the open keypad, digits can simply be typed or pasted.</p>
    </Notice>
  )
}
