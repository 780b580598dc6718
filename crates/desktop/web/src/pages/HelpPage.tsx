// Help with sign-in: the certificate warning, cookies, the microphone, in the words of someone who wants to work.

import type { Site } from '../api'
import { AppLink } from '../parts/AppLink'
import { Frame, PageTitle } from '../parts/Frame'

export function HelpPage({ site }: { site: Site | null }) {
  return (
    <Frame site={site} wide>
      <PageTitle title="Help with sign-in">Help with sign-in</PageTitle>
      <section className="help" aria-labelledby="help-https">
        <h2 id="help-https">The browser says “Not secure”</h2>
        <p>
          Hotseat works only over an encrypted connection. Look at the address bar: with <b>https://</b> before the name
          you are right, also if the browser shows the mark <b>Not secure</b> beside it.
        </p>
        <ol className="steps">
          <li>
            The address begins with http://, or with nothing? Type <b>https://</b> before the name:{' '}
            <a href={`https://${location.host}/login`}>https://{location.host}/login</a>
          </li>
          <li>A warning page about the certificate appears? Choose <b>Advanced</b>, then <b>proceed</b> to this site.</li>
          <li>Tell your IT department: they should install a proper certificate. Then the warning is gone for everybody.</li>
        </ol>
        <p className="quiet">
          Proceed only on a network you trust, and only when the name in the address bar is the one you were given.
        </p>
      </section>
      <section className="help" aria-labelledby="help-cookies">
        <h2 id="help-cookies">Cookies must be enabled</h2>
        <p>One cookie keeps you logged in; there are no others. If your browser blocks it, the login cannot work.</p>
        <ol className="steps">
          <li>Open your browser’s settings.</li>
          <li>Go to cookies (often under privacy) and allow them for <b>{location.host}</b>.</li>
          <li>Reload the login page and log in again.</li>
        </ol>
      </section>
      <section className="help" aria-labelledby="help-microphone">
        <h2 id="help-microphone">The microphone</h2>
        <p>
          With a desk phone you need no microphone here. Where you talk in the browser, it works only over https://, and
          the browser asks you once: choose <b>Allow</b>. If you chose Block, click the sign to the left of the address
          and allow the microphone again.
        </p>
        <Secure />
      </section>
      <section className="help" aria-labelledby="help-phone">
        <h2 id="help-phone">My telephone is not in the list</h2>
        <p>
          The list shows what is free now. Under <b>Not available</b> you see who sits at a phone, or since when it does
          not answer. A phone that does not answer is often unplugged: check the network cable and wait a minute; it
          comes back into the list by itself.
        </p>
      </section>
      <p className="card-links">
        <AppLink to="/login">Back to the login</AppLink>
      </p>
    </Frame>
  )
}

function Secure() {
  return window.isSecureContext ? (
    <p className="note">This page has a secure connection: that part is fine.</p>
  ) : (
    <p className="note note-warn">This page has no secure connection, so the browser will not offer a microphone.</p>
  )
}
