// The list of phones: type to find one, arrows to walk, Enter to choose. It is drawn only as far as it is seen, so that
// thousands of phones are as quick as ten.

import { memo, useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { Button } from 'react-aria-components'
import type { Phone } from '../api'
import { at } from '../clock'
import { Glyph, shapeOf } from '../parts/Glyph'
import { counts, FLASH_MS, othersShown, title, type Picker, type PickerEvent, type Section } from './picker'
import { groups, HEAD_PX, ROW_PX, scrollFor, totalHeight, visible } from './rows'

export function PhonePicker(props: { picker: Picker; onEvent: (event: PickerEvent) => void; onSubmit: () => void }) {
  const { picker, onEvent } = props
  const [text, setText] = useState('')
  const listId = useId()
  const input = useRef<HTMLInputElement>(null)
  const { available, others } = useMemo(() => counts(picker), [picker])
  useEffect(() => input.current?.focus(), [])

  const search = (query: string) => {
    setText(query)
    onEvent({ type: 'typed', query })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const page = 5
    switch (event.key) {
      case 'ArrowDown': onEvent({ type: 'moved', by: 1 }); break
      case 'ArrowUp': onEvent({ type: 'moved', by: -1 }); break
      case 'PageDown': onEvent({ type: 'moved', by: page }); break
      case 'PageUp': onEvent({ type: 'moved', by: -page }); break
      case 'Home': if (text !== '') return; onEvent({ type: 'moved_to', end: 'first' }); break
      case 'End': if (text !== '') return; onEvent({ type: 'moved_to', end: 'last' }); break
      case 'Escape': if (text === '') return; search(''); break
      case 'Enter':
        if (picker.active !== null && picker.active !== picker.selected) onEvent({ type: 'chosen', name: picker.active })
        else props.onSubmit()
        break
      default: return
    }
    event.preventDefault()
  }

  const optionId = (name: string) => `${listId}-${name}`
  return (
    <div className="picker">
      <label className="picker-label" htmlFor={`${listId}-search`}>Telephone</label>
      <div className="input-group">
        <input
          id={`${listId}-search`}
          ref={input}
          className="input"
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-autocomplete="list"
          aria-activedescendant={picker.active !== null ? optionId(picker.active) : undefined}
          placeholder="Search by name, site or floor"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          enterKeyHint="done"
          value={text}
          onChange={(event) => search(event.target.value)}
          onKeyDown={onKeyDown}
        />
        {text !== '' ? (
          <Button className="input-button" onPress={() => { search(''); input.current?.focus() }}>
            Clear<span className="unseen"> search</span>
          </Button>
        ) : null}
      </div>
      <PhoneList
        id={listId}
        optionId={optionId}
        picker={picker}
        available={available}
        others={others}
        text={text}
        onChoose={(name) => { onEvent({ type: 'chosen', name }); input.current?.focus() }}
      />
      <div className="picker-foot">
        <span role="status" className="picker-count">
          {picker.loaded && picker.phones.size > 0 ? `${available} available` : ''}
        </span>
        {others > 0 && text === '' ? (
          <Button className="link-button" onPress={() => onEvent({ type: 'others_toggled' })}>
            {othersShown(picker) ? 'Hide' : 'Show'} not available ({others})
          </Button>
        ) : null}
      </div>
    </div>
  )
}

function PhoneList(props: {
  id: string
  optionId: (name: string) => string
  picker: Picker
  available: number
  others: number
  text: string
  onChoose: (name: string) => void
}) {
  const { picker } = props
  const box = useRef<HTMLDivElement>(null)
  const [scroll, setScroll] = useState(0)
  const [height, setHeight] = useState(320)
  const made = useMemo(() => groups(picker.rows), [picker.rows])
  const total = totalHeight(made)

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const measure = () => setHeight(element.clientHeight)
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(element)
    return () => watch.disconnect()
  }, [])

  // The keyboard's row is always on screen, and so always in the document.
  useLayoutEffect(() => {
    const element = box.current
    if (!element || picker.active === null) return
    const to = scrollFor(made, picker, picker.active, element.scrollTop, element.clientHeight)
    if (to === null) return
    element.scrollTop = to
    setScroll(to)
  }, [picker.active, made]) // eslint-disable-line

  // A new search starts at the top.
  useLayoutEffect(() => {
    if (box.current) box.current.scrollTop = 0
    setScroll(0)
  }, [picker.query])

  const now = Date.now()
  return (
    <div className="phones-frame">
      <div
        ref={box}
        id={props.id}
        role="listbox"
        aria-label="Telephones"
        aria-busy={!picker.loaded}
        className="phones"
        onScroll={(event) => setScroll(event.currentTarget.scrollTop)}
      >
        <div className="phones-canvas" role="presentation" style={{ height: total }}>
          {made.map((group) => {
            const [from, to] = visible(group, scroll, height)
            const headId = `${props.id}-${group.section}`
            return (
              <div
                key={group.section}
                role="group"
                aria-labelledby={headId}
                className="phones-group"
                style={{ top: group.top, height: group.height }}
              >
                <div id={headId} role="presentation" className="phones-head" style={{ height: HEAD_PX }}>
                  {heading(group.section, props.available, props.others)}
                </div>
                {group.names.slice(from, to).map((name, i) => {
                  const phone = picker.phones.get(name)
                  const changed = picker.changed.get(name)
                  return phone ? (
                    <PhoneRow
                      key={name}
                      id={props.optionId(name)}
                      phone={phone}
                      top={HEAD_PX + (from + i) * ROW_PX}
                      position={from + i + 1}
                      size={group.names.length}
                      isSelected={name === picker.selected}
                      isActive={name === picker.active}
                      flash={changed !== undefined && now - changed < FLASH_MS ? changed : 0}
                      onChoose={props.onChoose}
                    />
                  ) : null
                })}
              </div>
            )
          })}
        </div>
      </div>
      <ListSays picker={picker} available={props.available} text={props.text} empty={total === 0} />
    </div>
  )
}

function heading(section: Section, available: number, others: number): string {
  switch (section) {
    case 'last': return 'Last used'
    case 'available': return `Available (${available})`
    case 'others': return `Not available (${others})`
  }
}

const PhoneRow = memo(function PhoneRow(props: {
  id: string
  phone: Phone
  top: number
  position: number
  size: number
  isSelected: boolean
  isActive: boolean
  flash: number
  onChoose: (name: string) => void
}) {
  const { phone } = props
  const free = phone.state === 'free'
  const words = ['phone', free ? '' : 'phone-off', props.isActive ? 'phone-active' : ''].filter(Boolean).join(' ')
  return (
    <div
      id={props.id}
      role="option"
      aria-selected={props.isSelected}
      aria-disabled={!free}
      aria-setsize={props.size}
      aria-posinset={props.position}
      className={words}
      style={{ top: props.top, height: ROW_PX }}
      onPointerDown={(event) => event.preventDefault()}
      onClick={() => props.onChoose(phone.name)}
    >
      {props.flash > 0 ? <span key={props.flash} className="phone-flash" aria-hidden="true" /> : null}
      <Glyph shape={shapeOf[phone.state]} />
      <span className="phone-name" title={title(phone)}>{title(phone)}</span>
      <span className="phone-state">{stateWords(phone)}</span>
      <span className="phone-more" title={moreWords(phone)}>{moreWords(phone)}</span>
      {props.isSelected ? <Tick /> : null}
    </div>
  )
})

function Tick() {
  return (
    <svg className="phone-tick" viewBox="0 0 16 16" aria-hidden="true">
      <path d="m3 8.5 3.5 3.500L13 4.5" />
    </svg>
  )
}

/** «Milan · Floor 3 · desk-17»: what is known of where it stands; its name when the label is shown above. */
export function placeWords(phone: Phone): string {
  const floor = phone.floor && /^\d+$/.test(phone.floor) ? `Floor ${phone.floor}` : phone.floor
  const name = phone.label && phone.label !== phone.name ? phone.name : null
  return [phone.site, floor, name].filter(Boolean).join(' · ')
}

function stateWords(phone: Phone): string {
  switch (phone.state) {
    case 'free': return 'Free'
    case 'in_use': return 'In use'
    case 'unreachable': return 'Not answering'
    case 'never_registered': return 'Never connected'
  }
}

/** The second line: for a phone that cannot be had, by whom and since when come before where it stands. */
function moreWords(phone: Phone): string {
  const by = phone.state === 'in_use' && phone.by ? `by ${phone.by}` : ''
  const away = phone.state === 'in_use' || phone.state === 'unreachable'
  const since = away && phone.since !== null ? `since ${at(phone.since)}` : ''
  return [[by, since].filter(Boolean).join(' '), placeWords(phone)].filter(Boolean).join(' · ')
}

/** What the list says when it has no rows, or none that can be chosen. */
function ListSays(props: { picker: Picker; available: number; text: string; empty: boolean }) {
  const { picker } = props
  if (!picker.loaded) {
    return (
      <div className="phones-says phones-loading" role="status">
        <span className="unseen">Looking for telephones…</span>
        <i /><i /><i /><i />
      </div>
    )
  }
  if (picker.phones.size === 0) {
    return (
      <div className="phones-says">
        <strong>No telephone is set up yet.</strong>
        <p>Ask the person who looks after the telephones to add one. It appears here by itself as soon as it connects.</p>
      </div>
    )
  }
  if (props.text !== '' && props.empty) {
    return (
      <div className="phones-says">
        <strong>No telephone matches.</strong>
        <p>Try the number on the phone, the floor, or a part of the name.</p>
      </div>
    )
  }
  if (props.available === 0 && props.empty) {
    return (
      <div className="phones-says">
        <strong>No telephone is free right now.</strong>
        <p>Stay here: the moment someone leaves one, it appears in this list.</p>
      </div>
    )
  }
  return null
}
