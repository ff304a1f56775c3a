"""The whole report."""

from mtshare_ros.report.checks import check_results
from mtshare_ros.report.claims import claims
from mtshare_ros.report.clips import clips
from mtshare_ros.report.commands import commands, PICTURES
from mtshare_ros.report.files import Results
from mtshare_ros.report.plan import ReportPlan
from mtshare_ros.report.quality import quality
from mtshare_ros.report.sizes import sizes
from mtshare_ros.report.speed import speed
from mtshare_ros.report.target import write_targets
from mtshare_ros.report.targets import targets
from mtshare_ros.report.text import bullets, paragraphs
from mtshare_ros.report.weights import weights

LIMITS = (
    'Everything here was measured on **rendered rooms**, and what was trained on them does not '
    'transfer to real rooms. For real work train on real data (`docs/datasets.md`).',
    'The figures are of one training each; what another seed would change is not known.',
    'Every network, baselines too, starts from weights that were trained for all tasks jointly, '
    'as one would start from pretrained ones: the base already knew of the sub-tasks. After that '
    'each was trained for minutes on a CPU; how far longer training would lead is not known.',
    'Times hold for the machine that is named with them, shares and quality for any.',
)


def write_report(results: Results, plan: ReportPlan) -> str:
    """Return the report as Markdown; raise ConfigError for files that contradict each other."""
    check_results(results, plan)
    sections = {
        'Targets and what was reached': write_targets(targets(results, plan)),
        'Quality of every stage and baseline': paragraphs(
            quality(results, plan), sizes(results, plan), _pictures(plan)),
        'Delta weights': weights(results, plan),
        'Sharing on clips': clips(results, plan),
        'Speed': speed(results, plan),
        "The method's claims beside ours": claims(results, plan),
        'Notes on these trainings': results.notes,
        'Limits': bullets(LIMITS),
        'The commands, and the machines': commands(results, plan),
    }
    return paragraphs(
        '# Results', _introduction(plan),
        *(f'## {title}\n\n{text}' for title, text in sections.items() if text)) + '\n'


def _introduction(plan: ReportPlan) -> str:
    return (
        f'What the networks of `{plan.recipe}` reach: one base task '
        f'({plan.tasks[0]}), sub-tasks ({", ".join(plan.sub_tasks)}) with sparse delta weights '
        'upon it, and the baselines they are measured against. `mtshare report` wrote this page '
        f'from the files in `{plan.folder}`; nothing measured is typed by hand but the notes, and '
        'what was not measured is said to be so. The commands stand at the end.')


def _pictures(plan: ReportPlan) -> str:
    return paragraphs(*(f'![{PICTURES[name][0]}]({link})' for name, link in plan.pictures.items()))
