/** `firstlight registration`: what owners have left at a rendezvous, for it and for themselves. */
import { Command } from 'commander'
import { fromHex } from '../../../protocol/bytes.ts'
import { LOOK_UP, WITHDRAW, signOwnRequest } from '../../../protocol/to0/own-registration.ts'
import { type Given, call, listAll } from '../api.ts'
import type { Operations } from '../api-types.d.ts'
import { ApiClient, type ApiOptions } from '../api-client.ts'
import { run, runWithApi } from '../command.ts'
import { documentIn } from '../document.ts'
import { CliFailure } from '../failure.ts'
import { httpUrl } from '../http-url.ts'
import { readPrivateKey } from '../key-files.ts'
import { type Output, facts, table } from '../output.ts'

type PolicyJson = Operations['PUT /rendezvous-policy']['json']
type RegistrationView = Given<'GET /registrations/{guid}'>

export function registrationCommand(): Command {
  const registration = new Command('registration').description(
    'what owners have left at a rendezvous for their devices',
  )
  addLists(registration)
  addGet(registration)
  addWithdraw(registration)
  addPolicy(registration)
  addOwn(registration)
  return registration
}

function addLists(registration: Command): void {
  runWithApi<{ ownerKey?: string; state?: 'live' | 'ended' }>(
    registration
      .command('list')
      .description('what is registered at the rendezvous of the service')
      .option('--owner-key <fingerprint>', 'only of this owner: the SHA-256 of its public key')
      .option('--state <state>', 'live, or ended: lapsed or withdrawn, and remembered'),
    async (api, { ownerKey, state }, output) => {
      const items = await listAll(api, 'GET /registrations', {
        ...{ limit: 500, owner_key: ownerKey, state },
      })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'GUID', value: ({ guid }) => guid },
          { title: 'STATE', value: (one) => one.state },
          { title: 'UNTIL', value: ({ expires_at }) => expires_at?.slice(0, 19) },
          { title: 'OWNER KEY', value: ({ owner_key }) => owner_key },
        ]),
      )
    },
  )
  runWithApi(
    registration.command('alarms').description('attempts of former owners to get a device back'),
    async (api, _options, output) => {
      const items = await listAll(api, 'GET /rendezvous-alarms', { limit: 500 })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'GUID', value: ({ guid }) => guid },
          { title: 'TIMES', value: ({ times }) => times, right: true },
          { title: 'LAST', value: ({ last_at }) => last_at.slice(0, 19) },
          { title: 'FROM', value: ({ source }) => source },
          { title: 'BY', value: ({ owner_key }) => owner_key ?? 'others' },
        ]),
      )
    },
  )
  runWithApi(
    registration
      .command('dismiss')
      .description('the alarms of a device have been looked into')
      .argument('<guid>'),
    async (api, _options, output, [name = '']) => {
      const guid = guidOf(name)
      await call(api, 'DELETE /rendezvous-alarms/{guid}', { params: { guid } })
      output.result({ guid, dismissed: true }, () => `dismissed the alarms of ${guid}`)
    },
  )
}

function addGet(registration: Command): void {
  runWithApi(
    registration
      .command('get')
      .description('what is registered of a device at the rendezvous of the service')
      .argument('<guid>'),
    async (api, _options, output, [name = '']) => {
      const params = { guid: guidOf(name) }
      showOne(await call(api, 'GET /registrations/{guid}', { params }), output)
    },
  )
}

function addWithdraw(registration: Command): void {
  runWithApi<{ forget?: boolean }>(
    registration
      .command('withdraw')
      .description('tell a device nothing any more, at the rendezvous of the service')
      .argument('<guid>')
      .option('--forget', 'and believe whoever registers it next, a former owner, too'),
    async (api, { forget = false }, output, [name = '']) => {
      const guid = guidOf(name)
      const query = forget ? ({ forget: 'true' } as const) : {}
      await call(api, 'DELETE /registrations/{guid}', { params: { guid }, query })
      output.result({ guid, withdrawn: true, forgotten: forget }, () =>
        forget ? `forgot ${guid}` : `withdrew ${guid}`,
      )
    },
  )
}

function addPolicy(registration: Command): void {
  runWithApi<{ set?: string }>(
    registration
      .command('policy')
      .description('who may register, for how long, and how often one may ask')
      .option('--set <file>', 'replace it by this JSON document'),
    async (api, { set }, output) => {
      const json = set === undefined ? undefined : (documentIn(set) as PolicyJson)
      const policy = json
        ? await call(api, 'PUT /rendezvous-policy', { json })
        : await call(api, 'GET /rendezvous-policy', {})
      output.result(policy, (one) => JSON.stringify(one, undefined, 2))
    },
  )
}

interface OwnOptions {
  readonly rendezvous: string
  readonly key: string
  readonly ca?: string
  readonly timeout?: string
}

/** For an owner whose rendezvous is somebody else's. */
function addOwn(registration: Command): void {
  const own = (name: string, description: string) =>
    registration
      .command(name)
      .description(description)
      .argument('<guid>')
      .requiredOption('--rendezvous <url>', 'where it is registered')
      .requiredOption('--key <file>', "the owner's private key (PKCS#8, PEM or DER)")
      .option('--ca <file>', 'the CA of its certificate')
      .option('--timeout <seconds>', 'how long to wait for an answer', '60')
  run<OwnOptions>(
    own('withdraw-own', 'take back what one has registered at another rendezvous'),
    async (options, output, [name = '']) => {
      const guid = guidOf(name)
      await ask(options, guid, WITHDRAW, '/rendezvous/v1/withdraw')
      output.result({ guid, withdrawn: true }, () => `withdrew ${guid}`)
    },
  )
  run<OwnOptions>(
    own('look-up-own', 'how it stands with what one has registered at another rendezvous'),
    async (options, output, [name = '']) => {
      const answer = await ask(options, guidOf(name), LOOK_UP, '/rendezvous/v1/look-up')
      showOne(JSON.parse(answer.toString()) as RegistrationView, output)
    },
  )
}

function showOne(registration: RegistrationView, output: Output): void {
  output.result(registration, (one) =>
    facts([
      ['GUID', one.guid],
      ['registered', one.registered_at],
      ['until', one.expires_at],
      ['entries', one.entries],
    ]),
  )
}

async function ask(
  { rendezvous, key, ...options }: OwnOptions,
  guid: string,
  purpose: typeof WITHDRAW | typeof LOOK_UP,
  path: string,
): Promise<Buffer> {
  const url = httpUrl(rendezvous, '--rendezvous')
  const body = await signOwnRequest(readPrivateKey(key), {
    purpose,
    audience: url.origin,
    guid: fromHex(guid),
    at: Date.now(),
  })
  const api = new ApiClient({ ...options, url: url.origin, anonymous: true } satisfies ApiOptions)
  const answer = await api.send(path, { method: 'POST', body, contentType: 'application/cbor' })
  return answer.body
}

function guidOf(text: string): string {
  const guid = text.replaceAll('-', '').toLowerCase()
  if (/^[0-9a-f]{32}$/.test(guid)) return guid
  throw new CliFailure('usage', `not a GUID: ${text}`, { next: 'firstlight registration list' })
}
