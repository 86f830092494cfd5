"""Every sentence of a back-test's page, in English and Japanese, with the same numbers in both."""

from __future__ import annotations

from adaptact.report import comparison_words
from adaptact.report.comparison_words import Say

SENTENCES: dict[str, tuple[str, str]] = {
    # what came out
    "title": ("How fast models age: {metric} on {data}", "モデルの劣化の速さ：{data}における{metric}"),
    "decays": (
        "{name} loses {mean} ({interval}) of {metric} per window of age{days}.",
        "{name}は、1ウィンドウ古くなるごとに{metric}が{mean}（{interval}）悪化します{days}。",
    ),
    "per_day": (", {mean} per 30 days (a window is {length} days)", "（30日あたり{mean}。1ウィンドウは{length}日）"),
    "unsteady": (
        "{name} ages, though not at a rate that these windows agree on: one window older than a fresh model it loses "
        "{mean_1} ({interval_1}) of {metric} on the same window; a line through all ages has {mean} ({interval}) per window"
        "{days}.",
        "{name}は劣化しますが、その速さはウィンドウによって異なります。同じウィンドウで、1ウィンドウ古いモデルは新しいモデルより"
        "{metric}が{mean_1}（{interval_1}）劣ります。全体に直線を当てはめると、1ウィンドウあたり{mean}（{interval}）です{days}。",
    ),
    "no_decay": (
        "{name}: no decay can be shown. The loss of {metric} per window of age is {mean} ({interval}){days}; an aged model "
        "may be as good as a fresh one, or lose up to {high}.",
        "{name}：劣化は確認できません。1ウィンドウあたりの{metric}の悪化は{mean}（{interval}）です{days}。古いモデルが新しい"
        "モデルと同等の可能性も、最大{high}悪化する可能性もあります。",
    ),
    "no_interval": (
        "{name}: too few windows for an interval of the decay. The loss of {metric} per window of age is {mean}{days}.",
        "{name}：ウィンドウが少なく、劣化の区間を出せません。1ウィンドウあたりの{metric}の悪化は{mean}です{days}。",
    ),
    "beyond": (
        "{name} has lost more than the margin of {margin} from age {age} on.",
        "{name}は、経過{age}ウィンドウ以降、基準の{margin}を超えて悪化しています。",
    ),
    "beyond_unsure": (
        "In the mean {name} is behind by more than the margin of {margin} from age {age} on, but that may be chance.",
        "{name}は経過{age}ウィンドウ以降、平均では基準の{margin}を超えて悪化していますが、偶然の可能性があります。",
    ),
    "within": (
        "In the mean {name} is not behind by more than the margin of {margin} at age {age}, the greatest measured.",
        "測定した最大の経過{age}ウィンドウでも、{name}の平均の悪化は基準の{margin}以内です。",
    ),
    "retrain": (
        "{name}: retraining pays every {days} days ({range}), {per_year} times a year; ageing and retraining then cost "
        "{yearly} a year together. One retraining costs {cost}.",
        "{name}：再学習は{days}日ごと（{range}）、年{per_year}回が最適です。劣化と再学習の費用は合わせて年{yearly}です。"
        "再学習1回の費用は{cost}です。",
    ),
    "retrain_unsure": (
        "{name}: that ageing costs anything cannot be shown. If it costs what it did in the mean, retraining pays every "
        "{days} days; the data allow {range}.",
        "{name}：劣化による損失は確認できません。平均どおりの損失であれば再学習は{days}日ごとが最適ですが、データからは"
        "{range}の範囲があり得ます。",
    ),
    "never": (
        "{name}: aged models cost no more than fresh ones here, so ageing gives no reason to retrain; the data allow "
        "{range}.",
        "{name}：ここでは古いモデルの費用は新しいモデルを上回らず、劣化を理由に再学習する必要はありません。データからは{range}の"
        "範囲があり得ます。",
    ),
    "now": (
        "{name}: as often as you retrain now (every {days} days), it is {yearly} a year.",
        "{name}：現在の頻度（{days}日ごと）では年{yearly}です。",
    ),
    "measured": (
        "Of the intervals that were measured, without assuming a straight line, {windows} ({days} days) is the cheapest "
        "for {name}.",
        "直線を仮定せず、測定した間隔だけで比べると、{name}では{windows}（{days}日）が最も安くなります。",
    ),
    "short": (
        "That is shorter than a window: use more windows to see what happens within one.",
        "これは1ウィンドウより短い間隔です。より細かく見るには、ウィンドウの数を増やしてください。",
    ),
    "long": (
        "That is longer than the ages that were measured: it continues a straight line.",
        "これは測定した経過時間より長い間隔で、直線を延長した値です。",
    ),
    "days_range": ("{low} to {high} days", "{low}～{high}日"),
    "days_from": ("{low} days or more", "{low}日以上"),
    "any": ("any interval", "どの間隔でも"),
    "slower": (
        "{name} loses {mean} ({interval}) less per window of age than {base}: {verdict}.",
        "{name}は{base}より、1ウィンドウあたりの悪化が{mean}（{interval}）小さくなっています。{verdict}。",
    ),
    "is_slower": ("it ages more slowly", "劣化が遅いといえます"),
    "is_faster": ("it ages faster", "劣化が速いといえます"),
    "is_unknown": ("no difference can be shown", "差は確認できません"),
    "failed": (
        "{arm}, up to window {window}, seed {seed}: {reason}. It is scored as a prediction that ignores its input.",
        "{arm}、ウィンドウ{window}まで、シード{seed}：{reason}。入力を見ない予測として採点しました。",
    ),
    # headings and texts
    "h_ageing": ("Loss by age", "経過時間ごとの悪化"),
    "h_retraining": ("After how long retraining pays", "再学習の最適な間隔"),
    "h_windows": ("The windows", "ウィンドウ"),
    "h_reproduce": ("How to reproduce", "再現の方法"),
    "p_ageing": (
        "Age 1 is the window right after training. Against a fresh model: on the same window, the model of this age minus "
        "one trained just before the window; windows that are harder than others fall out. Since age 1: the same model on "
        "a later window; harder windows are in it. Positive is worse. Intervals are {level} %, each for itself, Student's "
        "t over windows, of means over {seeds} seeds, from three windows on.",
        "経過1は学習直後のウィンドウです。「新しいモデルとの差」は、同じウィンドウでの、その経過時間のモデルと直前に学習したモデル"
        "の差で、ウィンドウごとの難しさの違いは打ち消されます。「経過1からの悪化」は同じモデルの後のウィンドウでの変化で、難しさの"
        "違いを含みます。正の値が悪化です。区間はそれぞれ単独で{level}％、{seeds}個のシードの平均についてのウィンドウ間のt区間（3ウィンドウ以上）"
        "です。",
    ),
    "p_retraining": (
        "Cost of a year if retrained after so many windows, from the measured losses.",
        "このウィンドウ数ごとに再学習した場合の年間費用（測定した悪化から計算）。",
    ),
    "p_no_value": (
        "With value.decisions_per_year, what an error costs (value.cost_fp and value.cost_fn, or value.per_unit_error) and "
        "what a retraining costs (value.compute_per_hour, value.retraining_cost) this page also says when retraining pays.",
        "value.decisions_per_year、誤りの費用（value.cost_fpとvalue.cost_fn、またはvalue.per_unit_error）、再学習の費用"
        "（value.compute_per_hour、value.retraining_cost）を与えると、再学習の最適な間隔も示します。",
    ),
    "p_scheme": (
        "Rows in order of time, cut into {windows} windows ({by}). A model trains on {history} up to a window's end; the latest "
        "of those rows are for validation. {delay}",
        "時間順の行を{windows}個のウィンドウに分割（{by}）。モデルは各ウィンドウの終わりまでの{history}で学習し、そのうち最新の行を"
        "検証に使います。{delay}",
    ),
    "by_rows": ("equally many rows", "行数を均等に"),
    "by_time": ("equal spans of time", "期間を均等に"),
    "history_n": ("{n} windows", "{n}ウィンドウ"),
    "history_1": ("one window", "1ウィンドウ"),
    "history_all": ("everything", "全データ"),
    "delay_dated": (
        "Answers are known after {delay} days: rows younger than that are not trained on.",
        "答えは{delay}日後に判明するため、それより新しい行は学習に使いません。",
    ),
    "delay_number": (
        "Answers are known after {delay} units of time: rows younger than that are not trained on.",
        "答えは{delay}（時間の単位）後に判明するため、それより新しい行は学習に使いません。",
    ),
    "c_ageing": (
        "Left: the metric by age of the model. Right: what a model of this age loses against one trained just before the "
        "same window. Bands are intervals.",
        "左：モデルの経過時間ごとの指標。右：同じウィンドウの直前に学習したモデルに対する悪化。帯は区間です。",
    ),
    # columns and cells
    # on the picture
    "margin": ("margin", "基準"),
    "on_window": ("{metric} on the window", "ウィンドウでの{metric}"),
    "loss_against_fresh": ("loss against a fresh model", "新しいモデルに対する悪化"),
    "age_in_windows": ("age of the model in windows", "モデルの経過ウィンドウ数"),
    # tables
    "activation": ("activation", "活性化関数"),
    "age": ("age", "経過"),
    "pairs": ("windows", "ウィンドウ数"),
    "against_fresh": ("against a fresh model", "新しいモデルとの差"),
    "since_first": ("since age 1", "経過1からの悪化"),
    "window": ("window", "ウィンドウ"),
    "rows": ("rows", "行数"),
    "start": ("from", "開始"),
    "end": ("to", "終了"),
    "every": ("retrained after", "再学習の間隔"),
    "one_window": ("1 window", "1ウィンドウ"),
    "n_windows": ("{n} windows", "{n}ウィンドウ"),
    "interval": ("{low} to {high}", "{low}～{high}"),
    "with_interval": ("{mean} ({interval})", "{mean}（{interval}）"),
    "no_limit": ("no limit", "限界なし"),
}


def speaker(language: str) -> Say:
    """``say(key, **values)`` in one language.

    >>> speaker("ja")("n_windows", n=3)
    '3ウィンドウ'
    """
    return comparison_words.speaker(language, SENTENCES)
