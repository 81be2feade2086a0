/** Pages of lists and look-ups, against few rows and against many. */
import { randomBytes } from 'node:crypto'
import { type Pair, type Sites, Ledger, costOf, inTurn } from './comparison.ts'

interface Known {
  readonly guid: string
  readonly id: string
  readonly serial: string
}

type PathOf = (known: Known) => string

/** Pages of 100, and what is rare among many, which is what people look for. */
const REQUESTS: Readonly<Record<string, PathOf>> = {
  'vouchers, first page': () => '/vouchers?limit=100',
  'vouchers, page within': () => `/vouchers?limit=100&cursor=${cursor(guid())}`,
  'vouchers, state=superseded': () => '/vouchers?limit=100&state=superseded',
  'vouchers, origin=made': () => '/vouchers?limit=100&origin=made',
  'vouchers, device_info=none': () => '/vouchers?limit=100&device_info=no-such-model',
  'vouchers, of the last second': () => `/vouchers?limit=100&since=${ago(1)}`,
  'vouchers, serial=…': ({ serial }) => `/vouchers?limit=100&serial=${serial}`,
  'voucher by GUID': ({ guid }) => `/vouchers/${guid}`,
  'devices, first page': () => '/devices?limit=100',
  'devices, page within': () =>
    `/devices?limit=100&cursor=${cursor(`fdod_${guid().slice(0, 26)}`)}`,
  'devices, state=failed': () => '/devices?limit=100&state=failed',
  'devices, state=onboarded': () => '/devices?limit=100&state=onboarded',
  'devices, model=none': () => '/devices?limit=100&model=no-such-model',
  'devices, group=none': () => '/devices?limit=100&group=no-such-group',
  'devices, serial=…': ({ serial }) => `/devices?serial=${serial}`,
  'device by GUID': ({ guid }) => `/devices/${guid}`,
  'device by id': ({ id }) => `/devices/${id}`,
  'audit, newest page': () => '/audit?limit=100',
  'audit, of a device': ({ id }) => `/audit?limit=100&device=${id}`,
  'audit, of a rare type': () => '/audit?limit=100&type=device-retired',
}

const ROUNDS = 4

/** `times` of each at each. */
export async function compareRequests(sites: Sites, times: number): Promise<readonly Pair[]> {
  const ledger = new Ledger()
  const known = { empty: await knownTo(sites.empty), full: await knownTo(sites.full) }
  const block = Math.ceil(times / ROUNDS)
  for (const [what, pathOf] of Object.entries(REQUESTS)) {
    const ask = async (where: keyof Sites, count: number) => {
      const { api } = sites[where].service
      for (let i = 0; i < count; i++) {
        const one = known[where][i % known[where].length] as Known
        await api.send(`/api/v1${pathOf(one)}`)
      }
    }
    // Statements are prepared, and pages read that will be read again.
    await inTurn(1, (where) => ask(where, Math.min(5, block)))
    await inTurn(ROUNDS, async (where) => {
      ledger.add(what, where, await costOf(sites[where].meter, block, () => ask(where, block)))
    })
  }
  return ledger.pairs
}

/** Devices from anywhere among those that have a serial number. */
async function knownTo({ service }: Sites['empty']): Promise<readonly Known[]> {
  const known: Known[] = []
  for (let i = 0; i < 5; i++) {
    const start = cursor(`fdod_${'cfjnr'[i]}`)
    const page = await service.api.json<{ items: Known[] }>(
      `/api/v1/devices?limit=40&cursor=${start}`,
    )
    known.push(...page.items.filter(({ serial }) => serial))
  }
  return known
}

function guid(): string {
  return randomBytes(16).toString('hex')
}

function ago(seconds: number): string {
  return encodeURIComponent(new Date(Date.now() - seconds * 1000).toISOString())
}

function cursor(position: string): string {
  return Buffer.from(position).toString('base64url')
}
