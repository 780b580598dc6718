// Where the page begins.

import { createRoot } from 'react-dom/client'
import { App } from './App'
import './styles/tokens.css'
import './styles/base.css'
import './styles/login.css'
import './styles/desk.css'
import './styles/bar.css'
import './styles/ways.css'

const root = document.getElementById('root')
if (root) createRoot(root).render(<App />)
