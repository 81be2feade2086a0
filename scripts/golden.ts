/** Rewrites fixtures/golden, and src/cli/api-types.d.ts, from what the service says of itself now. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { loadConfig } from '../src/config.ts'
import { permissionTable } from '../src/http/openapi.ts'
import { startService } from '../src/main.ts'
import { type ApiDocument, apiTypes } from './api-types.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-golden-'))
const config = loadConfig({
  FIRSTLIGHT_DATA: folder,
  FIRSTLIGHT_PORT: '0',
  FIRSTLIGHT_TLS_PORT: '0',
  FIRSTLIGHT_LOG: 'silent',
})
const service = await startService(config)
const token = readFileSync(config.adminTokenFile, 'utf8').trim()
const headers = { authorization: `Bearer ${token}` }
const response = await fetch(`${service.http}/api/v1/openapi.json`, { headers })
const document: unknown = await response.json()
await service.stop()
rmSync(folder, { recursive: true })

mkdirSync('fixtures/golden', { recursive: true })
writeFileSync('fixtures/golden/openapi.json', `${JSON.stringify(document, null, 2)}\n`)
writeFileSync('fixtures/golden/permissions.txt', `${permissionTable(document).join('\n')}\n`)
const types = apiTypes(document as ApiDocument)
const options = { ...(await resolveConfig('src/cli/api-types.d.ts')), parser: 'typescript' }
writeFileSync('src/cli/api-types.d.ts', await format(types, options))
process.exit(0)
