// How the pages are built: one script, one style sheet, both named by their content, each with packed twins beside it
// so that the server never compresses anything itself.
import react from '@vitejs/plugin-react'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

/** Below this a packed twin saves less than its header costs. */
const PACK_FROM_BYTES = 512

function packed(): Plugin {
  return {
    name: 'packed-twins',
    apply: 'build',
    closeBundle() {
      for (const name of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
        const file = join('dist', name)
        if (!/\.(html|js|css|svg|json|webmanifest)$/.test(name) || statSync(file).size < PACK_FROM_BYTES) continue
        const bytes = readFileSync(file)
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }))
        writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
      }
    },
  }
}

export default defineConfig({
  plugins: [react(), packed()],
  build: {
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // Nothing inline: the content security policy forbids it, pictures as data excepted.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    // `npm run dev` beside a running Hotseat.
    proxy: { '/api': { target: 'https://127.0.0.1:8443', secure: false, ws: true } },
  },
})
