/** Vouchers taken in the true way, by a service that has few and by one that has many. */
import type { Progress } from '../../../src/cli/output.ts'
import { type Factory, type Files, takeIn } from '../vouchers.ts'
import { type Pair, type Sites, Ledger, costOf, inTurn } from './comparison.ts'
import type { Site } from './site.ts'

const FILES = 4
const WARM_UP_VOUCHERS = 500
/** The largest file that is made for a whole import: it is in memory. */
const MOST_AT_ONCE = 50_000
/** What all that is laid down is a copy of. */
const MODELS = 250

export interface Sample {
  readonly warmUp: Buffer
  readonly files: readonly Buffer[]
  /** Vouchers in each file. */
  readonly each: number
}

/** Both services take in the same. */
export async function makeSample(
  factory: Factory,
  count: number,
  progress: (label: string, total: number) => Progress,
): Promise<Sample> {
  const each = Math.ceil(count / FILES)
  const bar = progress('making devices to import', each * FILES)
  const { pem: warmUp } = await factory.make(WARM_UP_VOUCHERS)
  const files: Files['pem'][] = []
  for (let i = 0; i < FILES; i++) {
    files.push((await factory.make(each)).pem)
    bar.advance(each)
  }
  bar.stop()
  return { warmUp, files, each }
}

export async function compareImports(sites: Sites, sample: Sample): Promise<Pair> {
  const ledger = new Ledger()
  const { warmUp, files, each } = sample
  await inTurn(1, (where) => takeIn(sites[where].service, warmUp, WARM_UP_VOUCHERS))
  await inTurn(files.length, async (where, round) => {
    const file = files[round] as Buffer
    const { service, meter } = sites[where]
    ledger.add('import', where, await costOf(meter, each, () => takeIn(service, file, each)))
  })
  return ledger.pairs[0] as Pair
}

/** Vouchers that name the service as their rendezvous, taken in and registered. */
export async function takeInModels({ service }: Site, factory: Factory): Promise<void> {
  const { pem } = await factory.make(MODELS, service.url)
  await takeIn(service, pem, MODELS)
  await service.registered(MODELS)
}

/** All of them in the true way, which takes hours. None is registered: they name no rendezvous. */
export async function takeInAll(
  { service }: Site,
  { factory, count }: { readonly factory: Factory; readonly count: number },
  progress: (label: string, total: number) => Progress,
): Promise<void> {
  const bar = progress('importing', count)
  for (let taken = 0; taken < count; taken += MOST_AT_ONCE) {
    const size = Math.min(MOST_AT_ONCE, count - taken)
    const { pem } = await factory.make(size)
    await takeIn(service, pem, size)
    bar.advance(size)
  }
  bar.stop()
}
