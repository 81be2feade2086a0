/** Every rendezvous that devices made here are told of: whether it answers, and what time it has. */
import { randomBytes } from 'node:crypto'
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
  const { hint, infos } = await infosOf(services)
  const { addresses, passedOver } = togetherOf(await trialsOf(services, infos))
  const found = addresses.map(({ url, as, ok: isGood, detail }) => {
    if (isGood) return ok(`${url}: ${detail}`)
    if (isOwn(url, services) && !services.isRunning) {
      return skipped(`${url} is this service, which is not running`)
    }
    const next = `is it reachable from here, and is an FDO service there? (tried as ${as})`
    return problem(`${url}: ${detail}`, next)
  })
  const nobody = passedOver.map((one) => problem(one, 'set another: PUT /api/v1/rendezvous-info'))
  const unsaid = hint === null ? [] : [unset(hint, services)]
  return [...unsaid, ...found, ...nobody, ...(await checkClocks(addresses, services))]
}

/** What several infos have in common is told once. */
function togetherOf(trials: readonly Trial[]) {
  const addresses = new Map(
    trials.flatMap((trial) => trial.addresses.map((one) => [`${one.as} ${one.url}`, one])),
  )
  const passedOver = new Set(trials.flatMap((trial) => trial.passed_over))
  return { addresses: [...addresses.values()], passedOver: [...passedOver] }
}

/** Devices that come from elsewhere keep what they came with. */
function unset(hint: string, { config }: RendezvousServices): Finding {
  const { problem, warning } = findings('rendezvous')
  const next = 'firstlight setting rendezvous-info --set FILE'
  return config.roles.includes('manufacturer') ? problem(hint, next) : warning(hint, next)
}

async function trialsOf(
  { config, clock, publicUrl }: RendezvousServices,
  infos: readonly RendezvousInfo[],
): Promise<Trial[]> {
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
    return await Promise.all(infos.map((info) => tryRendezvous(info, clock.now(), outside)))
  } finally {
    for (const transport of open) transport.close()
    outbound.close()
  }
}

/** What devices are told, and what to say where nobody has said what that is. */
async function infosOf(services: RendezvousServices) {
  const { config, database, clock, publicUrl } = services
  const hasRendezvous = config.roles.includes('rendezvous')
  const audit = new AuditLog({ clock })
  const known = { database, clock, audit, hasRendezvous, publicUrl: () => publicUrl }
  const page = { now: clock.now().toISOString(), limit: MOST_INFOS }
  const set = await listRendezvousInfos(database.db, page)
  const { rendezvousInfo, rendezvousHint } = addressSettings(known)
  const ours = await rendezvousInfo.current(HOME_PARTY)
  const hint = rendezvousHint(ours)
  const others = set.filter((text) => text !== JSON.stringify(ours.json))
  const infos = others.map((text) => rendezvousInfoFromText(JSON.parse(text)).value)
  return { hint, infos: hint === null ? [ours.value.value, ...infos] : infos }
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
