/** Every rendezvous that devices made here are told of: whether it answers, and what time it has. */
import { randomBytes } from 'node:crypto'
import type { Kept } from '../../../protocol/cbor/schema.ts'
import type { RendezvousInfo } from '../../../protocol/types/rendezvous-info.ts'
import { rendezvousInfoFromText } from '../../../protocol/types/rendezvous-text.ts'
import { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config.ts'
import type { Database } from '../../database/open.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import { type HttpTransport, httpTransport } from '../../fdo/client.ts'
import { type Trial, tryRendezvous } from '../../manufacturing/orders/trial.ts'
import { Outbound } from '../../outbound/outbound.ts'
import { OutboundPolicy } from '../../outbound/policy.ts'
import { addressSettings } from '../../settings/addresses.ts'
import { type Finding, findings } from './finding.ts'
import { statusOf } from './listeners.ts'
import { listRendezvousInfos } from './store.ts'

const PATIENCE_MS = 5_000
const MOST_SECONDS = 30
/** So many different rendezvous infos are tried: others have the same addresses, as a rule. */
const MOST_INFOS = 50

export interface RendezvousServices {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  /** Where the service is reached. */
  readonly publicUrl: string
  readonly isRunning: boolean
}

export async function checkRendezvous(services: RendezvousServices): Promise<Finding[]> {
  const { ok, problem, skipped } = findings('rendezvous')
  const { addresses, passedOver } = togetherOf(await trialsOf(services))
  const found = addresses.map(({ url, as, ok: isGood, detail }) => {
    if (isGood) return ok(`${url}: ${detail}`)
    if (isOwn(url, services) && !services.isRunning) {
      return skipped(`${url} is this service, which is not running`)
    }
    const next = `is it reachable from here, and is an FDO service there? (tried as ${as})`
    return problem(`${url}: ${detail}`, next)
  })
  const nobody = passedOver.map((one) => problem(one, 'set another: PUT /api/v1/rendezvous-info'))
  return [...found, ...nobody, ...(await checkClocks(addresses, services))]
}

/** What several infos have in common is told once. */
function togetherOf(trials: readonly Trial[]) {
  const addresses = new Map(
    trials.flatMap((trial) => trial.addresses.map((one) => [`${one.as} ${one.url}`, one])),
  )
  const passedOver = new Set(trials.flatMap((trial) => trial.passed_over))
  return { addresses: [...addresses.values()], passedOver: [...passedOver] }
}

async function trialsOf(services: RendezvousServices): Promise<Trial[]> {
  const { config, clock, publicUrl } = services
  const outbound = new Outbound(new OutboundPolicy(config))
  outbound.admitOwn(publicUrl)
  const open: HttpTransport[] = []
  const outside = {
    randomBytes,
    connect({ url }: { readonly url: string }) {
      const transport = httpTransport(url, {
        timeoutMs: PATIENCE_MS,
        tls: { rejectUnauthorized: false },
        agentOf: (base, pool) => outbound.agent(base, pool),
      })
      open.push(transport)
      return transport.send
    },
  }
  try {
    const infos = await infosOf(services)
    return await Promise.all(infos.map(({ value }) => tryRendezvous(value, clock.now(), outside)))
  } finally {
    for (const transport of open) transport.close()
    outbound.close()
  }
}

async function infosOf(services: RendezvousServices): Promise<Kept<RendezvousInfo>[]> {
  const { config, database, clock, publicUrl } = services
  const hasRendezvous = config.roles.includes('rendezvous')
  const audit = new AuditLog({ clock })
  const known = { database, clock, audit, hasRendezvous, publicUrl: () => publicUrl }
  const page = { now: clock.now().toISOString(), limit: MOST_INFOS }
  const others = await listRendezvousInfos(database.db, page)
  const ours = await addressSettings(known).rendezvousInfo.current(HOME_PARTY)
  const rest = others.filter((text) => text !== JSON.stringify(ours.json))
  return [ours.value, ...rest.map((text) => rendezvousInfoFromText(JSON.parse(text)))]
}

/** Of another machine, by the hour it says in its answers: there may be no time server to ask. */
async function checkClocks(
  addresses: Trial['addresses'],
  services: RendezvousServices,
): Promise<Finding[]> {
  const { ok, problem } = findings('clock')
  const others = addresses.filter(({ url, ok: isGood }) => isGood && !isOwn(url, services))
  const origins = new Set(others.map(({ url }) => new URL(url).origin))
  const found: Finding[] = []
  for (const origin of origins) {
    const { date } = await statusOf(origin)
    if (date === undefined || Number.isNaN(Date.parse(date))) continue
    const seconds = Math.round((services.clock.now().getTime() - Date.parse(date)) / 1000)
    const next =
      'set the clock by a time server (chrony, systemd-timesyncd), or ask them to set theirs'
    found.push(
      Math.abs(seconds) > MOST_SECONDS
        ? problem(`${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ${origin}`, next)
        : ok(`with that of ${origin} within ${MOST_SECONDS} s`),
    )
  }
  return found
}

function isOwn(url: string, { publicUrl }: RendezvousServices): boolean {
  return new URL(url).origin === new URL(publicUrl).origin
}
