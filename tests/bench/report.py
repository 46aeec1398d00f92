"""The figures of all rounds, and the tables of their medians."""

import statistics

HEAD = "| job | server | CPU µs per request | requests/s | p50 µs | p99 µs | p50 µs, one | p99 µs, one | RSS MiB |"
FOOTPRINT = "| server | start to first answer, ms | idle, MiB | connection at rest, KiB | the same with TLS, KiB |"
# From here on the machine was too busy with something else for the row to be quoted.
DISTURBED = 0.15
UNLOGGED = 0.001


class Results:
    """Rounds of every row, by job and name; then medians."""

    def __init__(self):
        self.rounds, self.footprints = {}, {}

    def add(self, job, name, figures):
        self.rounds.setdefault((job, name), []).append(figures)

    def median(self, job, name, figure):
        """None where it was not measured."""
        values = [figures[figure] for figures in self.rounds.get((job, name), []) if figure in figures]
        return statistics.median(values) if values else None

    def spread(self, job, name, figure):
        """Half of what lies between the lowest and the highest round, as a share of the median."""
        values = [figures[figure] for figures in self.rounds[job, name]]
        half = (max(values) - min(values)) / 2 / statistics.median(values)
        return f"±{half:.0%}" if len(values) > 1 else ""

    def footprint(self, name, figure):
        return self.footprints.get(name, {}).get(figure)

    def as_json(self):
        rows = [{"job": job, "server": name, "rounds": rounds} for (job, name), rounds in self.rounds.items()]
        return {"rows": rows, "footprints": self.footprints}


def table(results):
    lines = [HEAD, "|---" * HEAD.count("| ") + "|"]
    for job, name in results.rounds:
        figures = ("per_second", "p50_us", "p99_us", "single_p50_us", "single_p99_us", "resident_mib")
        cells = [shown(results.median(job, name, figure)) for figure in figures]
        cost = f"{results.median(job, name, 'cpu_us'):.1f} {results.spread(job, name, 'cpu_us')}".strip()
        lines.append(f"| {job} | {name} | {cost}{marks(results, job, name)} | {' | '.join(cells)} |")
    lines += ["", FOOTPRINT, "|---" * FOOTPRINT.count("| ") + "|"]
    for name in results.footprints:
        figures = ("start_ms", "idle_mib", "plain_kib", "tls_kib")
        lines.append(f"| {name} | " + " | ".join(shown(results.footprint(name, figure)) for figure in figures) + " |")
    return "\n".join(lines)


def marks(results, job, name):
    foreign, unlogged = results.median(job, name, "foreign"), results.median(job, name, "unlogged")
    marks = " ~" if foreign and foreign > DISTURBED else ""
    return marks + (f" ({unlogged:.0%} of the log lost)" if unlogged and unlogged > UNLOGGED else "")


def shown(value):
    if value is None:
        return "–"
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.1f}"
