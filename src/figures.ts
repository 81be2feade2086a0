/** What several processes count, as one service tells it: fit to be sent, added up and written down. */

/** How the numbers of several processes make one. */
export type Together = 'sum' | 'max' | 'min'

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly together: Together
  /** Each with its name and labels, as they are written. */
  readonly series: readonly (readonly [series: string, value: number])[]
}

const TOGETHER: Readonly<Record<Together, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: Math.max,
  min: Math.min,
}

/** Those of all of them; in the order in which they come first. */
export function together(all: Iterable<readonly Family[]>): readonly Family[] {
  const families = new Map<string, Family>()
  for (const some of all) {
    for (const family of some) {
      const known = families.get(family.name)
      families.set(family.name, known ? joined(known, family) : family)
    }
  }
  return [...families.values()]
}

/** What must not shrink when a process has ended: whoever reads takes that for a beginning. */
export function lasting(families: readonly Family[]): readonly Family[] {
  return families.filter(({ type }) => type === 'counter' || type === 'histogram')
}

export function textOf({ name, help, type, series }: Family): string {
  const lines = series.map(([one, value]) => `${one} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join('\n')
}

function joined(a: Family, b: Family): Family {
  const add = TOGETHER[a.together]
  const series = new Map(a.series)
  for (const [one, value] of b.series) {
    const known = series.get(one)
    series.set(one, known === undefined ? value : add(known, value))
  }
  return { ...a, series: [...series] }
}
