/** `firstlight plan`: what devices get when they are onboarded, and the files that are sent. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Operations } from '../api-types.d.ts'
import { type Given, call, listAll, pathOf } from '../api.ts'
import { runWithApi } from '../command.ts'
import { documentIn } from '../document.ts'
import { table } from '../output.ts'

type PlanJson = Operations['PUT /plans/{name}']['json']

export function planCommand(): Command {
  const plan = new Command('plan').description('what devices get when they are onboarded')
  addPlans(plan)
  addContents(plan)
  addUploads(plan)
  return plan
}

function addPlans(plan: Command): void {
  runWithApi(plan.command('list').description('list the plans'), async (api, _, output) => {
    output.result(await listAll(api, 'GET /plans', {}), (plans) =>
      table(plans, [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'VERSION', value: ({ version }) => version, right: true },
        { title: 'STEPS', value: ({ steps }) => steps.length, right: true },
        { title: 'CHANGED', value: ({ updated_at }) => updated_at?.slice(0, 19) },
        { title: 'DESCRIPTION', value: ({ description }) => description },
      ]),
    )
  })
  runWithApi(
    plan.command('get').description('one plan, as a file for `set`').argument('<name>'),
    async (api, _options, output, [name = '']) => {
      output.result(await call(api, 'GET /plans/{name}', { params: { name } }), textOf)
    },
  )
  runWithApi(
    plan
      .command('add')
      .description('make a plan that is not there')
      .argument('<name>')
      .argument('<file>', 'JSON, as `get` prints it'),
    async (api, _options, output, [name = '', file = '']) => {
      const { version: _, ...rest } = planIn(file)
      output.result(await call(api, 'POST /plans', { json: { ...rest, name } }), versionOf)
    },
  )
  runWithApi(
    plan
      .command('set')
      .description('change a plan, for whichever device comes next; or make it')
      .argument('<name>')
      .argument('<file>', 'JSON, as `get` prints it: refused if it has been changed since'),
    async (api, _options, output, [name = '', file = '']) => {
      const asked = { params: { name }, json: planIn(file) }
      output.result(await call(api, 'PUT /plans/{name}', asked), versionOf)
    },
  )
  runWithApi(
    plan
      .command('remove')
      .description('remove a plan; the default one goes back to what is built in')
      .argument('<name>'),
    async (api, _options, output, [name = '']) => {
      await call(api, 'DELETE /plans/{name}', { params: { name } })
      output.result({ name, removed: true }, () => `removed ${name}`)
    },
  )
}

function addContents(plan: Command): void {
  runWithApi(
    plan.command('files').description('list the files brought for plans to send'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /plan-contents', {}), (files) =>
        table(files, [
          { title: 'BYTES', value: ({ length }) => length, right: true },
          { title: 'REF', value: ({ ref }) => ref },
        ]),
      )
    },
  )
  runWithApi(
    plan
      .command('add-file')
      .description('bring a file for plans to send; prints what a step refers to it by')
      .argument('<file>'),
    async (api, _options, output, [file = '']) => {
      const body = readFileSync(file)
      const asked = { body, contentType: 'application/octet-stream' }
      output.result(await call(api, 'POST /plan-contents', asked), ({ ref }) => ref)
    },
  )
  runWithApi(
    plan.command('remove-file').description('remove a file that no plan sends').argument('<ref>'),
    async (api, _options, output, [ref = '']) => {
      await call(api, 'DELETE /plan-contents/{ref}', { params: { ref } })
      output.result({ ref, removed: true }, () => `removed ${ref}`)
    },
  )
}

function addUploads(plan: Command): void {
  runWithApi(
    plan
      .command('uploads')
      .description('list the files that a device has sent')
      .argument('<device>', 'its id'),
    async (api, _options, output, [device = '']) => {
      const path = pathOf('GET /devices/{device}/uploads', { device })
      const items = await api.list<Given<'GET /devices/{device}/uploads'>['items'][number]>(path)
      output.result(items, (files) =>
        table(files, [
          { title: 'ID', value: ({ id }) => id, right: true },
          { title: 'BYTES', value: ({ length }) => length, right: true },
          { title: 'AT', value: ({ created_at }) => created_at.slice(0, 19) },
          { title: 'NAME', value: ({ name }) => name },
        ]),
      )
    },
  )
  runWithApi<{ out: string }>(
    plan
      .command('fetch')
      .description('fetch a file that a device has sent')
      .argument('<id>', 'of the upload')
      .requiredOption('--out <file>', 'where to put it'),
    async (api, { out }, output, [id = '']) => {
      const { body } = await api.send(pathOf('GET /uploads/{id}', { id }), { accept: '*/*' })
      writeFileSync(out, body, { mode: 0o600 })
      output.result({ id, file: out, length: body.length }, () => `${out}: ${body.length} bytes`)
    },
  )
}

/** What the service says of it besides is none of the plan. */
function planIn(file: string): PlanJson {
  const { name: _, created_at: _c, updated_at: _u, ...rest } = Object(documentIn(file))
  return rest as PlanJson
}

function textOf(plan: unknown): string {
  return JSON.stringify(plan, null, 2)
}

function versionOf({ name, version }: Given<'GET /plans/{name}'>): string {
  return `${name} is at version ${version}`
}
