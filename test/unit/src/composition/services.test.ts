import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openServices } from '../../../../src/composition/services.ts'
import { loadConfig } from '../../../../src/config.ts'

it('a start says which variable is to blame where its data have no place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-'))
  const file = join(folder, 'file')
  writeFileSync(file, '')
  for (const FIRSTLIGHT_DATA of [file, join(file, 'below')]) {
    const refused = await openServices(loadConfig({ FIRSTLIGHT_DATA }), {}).catch(String)
    expect(refused).toMatch(/^StartRefused: FIRSTLIGHT_DATA: E.*mkdir '.*': name a folder that/)
  }
  rmSync(folder, { recursive: true })
})
