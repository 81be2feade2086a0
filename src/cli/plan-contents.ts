/** `firstlight plan bring`, `contents`, `uploads`: files that plans send, and files that devices have sent. */
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { type Given, type Listed, call, listAll, pathOf } from './api.ts'
import { runWithApi } from './command.ts'
import { CliFailure } from './failure.ts'
import { table } from './output.ts'

export function addContents(plan: Command): void {
  runWithApi(
    plan
      .command('bring')
      .description('bring a file for plans to send; it is called by its SHA-384')
      .argument('<file>'),
    async (api, _options, output, [file = '']) => {
      // Looked at first: a stream that cannot be opened says so when nobody listens yet.
      const length = statSync(file).size
      const made = await api.json<Given<'POST /plan-contents'>>(pathOf('POST /plan-contents'), {
        ...{ method: 'POST', contentType: 'application/octet-stream' },
        ...{ body: createReadStream(file), length },
      })
      output.result(made, ({ ref }) => ref)
    },
  )
  runWithApi(
    plan.command('contents').description('the files that have been brought'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /plan-contents', { limit: 500 }), (rows) =>
        table(rows, [
          { title: 'LENGTH', value: ({ length }) => length, right: true },
          { title: 'REF', value: ({ ref }) => ref },
        ]),
      )
    },
  )
  runWithApi(
    plan
      .command('discard')
      .description('remove a file that no plan sends')
      .argument('<ref>', 'what plan contents calls it'),
    async (api, _options, output, [ref = '']) => {
      await call(api, 'DELETE /plan-contents/{ref}', { params: { ref } })
      output.result({ ref, removed: true }, () => `removed ${ref}`)
    },
  )
}

export function addUploads(plan: Command): void {
  runWithApi<{ save?: string; out?: string }>(
    plan
      .command('uploads')
      .description('the files that a device has sent; one of them, to be kept')
      .argument('<id-or-guid>')
      .option('--save <id>', 'this one')
      .option('--out <file>', 'where to'),
    async (api, { save, out }, output, [device = '']) => {
      if ((save === undefined) !== (out === undefined)) {
        throw new CliFailure('usage', '--save and --out go together')
      }
      if (save !== undefined && out !== undefined) {
        const accept = 'application/octet-stream'
        const response = await api.open(pathOf('GET /uploads/{id}', { id: save }), { accept })
        await pipeline(response, createWriteStream(out, { mode: 0o600 }))
        return output.result({ id: Number(save), out }, () => out)
      }
      const path = pathOf('GET /devices/{device}/uploads', { device }, { limit: 500 })
      const rows = await api.list<Listed<'GET /devices/{device}/uploads'>>(path)
      output.result(rows, (all) =>
        table(all, [
          { title: 'ID', value: ({ id }) => id, right: true },
          { title: 'WHEN', value: ({ created_at }) => created_at.slice(0, 19) },
          { title: 'LENGTH', value: ({ length }) => length, right: true },
          { title: 'NAME', value: ({ name }) => name },
        ]),
      )
    },
  )
}
