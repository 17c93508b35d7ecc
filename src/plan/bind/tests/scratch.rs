use super::*;
use datafusion::logical_expr::LogicalPlan;
fn exec(plan: LogicalPlan) -> Result<Vec<RecordBatch>> {
    let config = SessionConfig::new().with_target_partitions(1).set_bool(
        "datafusion.optimizer.enable_physical_uncorrelated_scalar_subquery", false);
    let context = SessionContext::new_with_config(config);
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(32<<20).worker_threads(1).build().unwrap();
    runtime.block_on(async move { tokio::spawn(async move {
        let frame = context.execute_logical_plan(plan).await?;
        frame.collect().await
    }).await.unwrap() }).map_err(Error::from)
}
fn statement(catalog: &Catalog, text: &str, p: &Parameters) -> Result<Option<(Vec<String>, Vec<String>)>> {
    let script = crate::lang::parse(text).map_err(|mut e| e.remove(0))?;
    let mut last = None;
    for s in &script.statements {
        let b = bind(s, text, catalog, &OneFile, p)?.bound;
        last = None;
        match b {
            Bound::Query(q) => {
                let batches = exec(q.plan.clone())?;
                let tys: Vec<String> = q.plan.schema().fields().iter().map(|f| crate::plan::bind::type_name(f.data_type())).collect();
 last = Some((q.columns.into_iter().zip(tys).map(|(c, t)| format!("{}\u{1}{t}", c.name)).collect(), batches.iter().flat_map(|b| {
                    let options = FormatOptions::default().with_null("NULL");
                    let cols: Vec<ArrayFormatter> = b.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
                    (0..b.num_rows()).map(|r| cols.iter().map(|c| c.value(r).to_string()).collect::<Vec<_>>().join(",")).collect::<Vec<_>>()
                }).collect()));
            }
            Bound::CreateTable { name, or_replace, query, .. } => {
                let names: Vec<String> = query.columns.iter().map(|c| c.name.clone()).collect();
                let fields: Vec<Field> = query.plan.schema().fields().iter().zip(&names).map(|(f, n)| f.as_ref().clone().with_name(n).with_nullable(true)).collect();
                let schema = Arc::new(Schema::new(fields));
                let batches: Vec<RecordBatch> = exec(query.plan)?.into_iter().map(|b| RecordBatch::try_new(schema.clone(), b.columns().to_vec()).unwrap()).collect();
                catalog.insert(&name, Entry::Table(Arc::new(MemTable::try_new(schema, vec![batches])?)), or_replace)?;
            }
            Bound::CreateView { name, or_replace, query, .. } => {
                let names = query.columns.into_iter().map(|c| c.name).collect();
                catalog.insert(&name, Entry::View(Arc::new(View { plan: query.plan, names })), or_replace)?;
            }
            _ => {}
        }
    }
    Ok(last)
}
#[test]
fn corpus() {
    std::thread::Builder::new().stack_size(64 << 20).spawn(corpus_).unwrap().join().unwrap();
}
fn corpus_() {
    let root = "/work/wt/corpus/tests/queries";
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut good, mut bad) = (0, 0);
    let mut dirs: Vec<_> = std::fs::read_dir(root).unwrap().map(|d| d.unwrap().path()).collect();
    dirs.sort();
    for dir in dirs {
        let setup = std::fs::read_to_string(dir.join("_setup.sql")).unwrap_or_default();
        let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|d| d.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "test")).collect();
        files.sort();
        for file in files {
            if !file.to_string_lossy().contains(&only) { continue; }
            let catalog = Catalog::new().unwrap();
            if let Err(e) = statement(&catalog, &setup, &Parameters::default()) { println!("SETUP {dir:?} {e}"); continue; }
            let text = std::fs::read_to_string(&file).unwrap();
            let mut blocks = text.split("\n-- ");
            blocks.next();
            let mut cases: Vec<(String, bool, bool, bool, String, String)> = vec![];
            let mut pending: Option<(String, bool, bool, bool)> = None;
            for b in blocks {
                let (head, rest) = b.split_once('\n').unwrap_or((b, ""));
                let (mut name, mut ord, mut contains, mut types) = pending.take().unwrap_or((head.to_string(), false, false, false));
                if head == "ordered" { ord = true } else if head == "contains" { contains = true } else if head == "types" || head == "no oracle" || head.starts_with("param ") { if head == "types" { types = true; } } else { name = head.to_string() }
                match rest.split_once("\n----\n") {
                    Some((q, exp)) => cases.push((name, ord, contains, types, q.to_string(), exp.trim_end_matches('\n').to_string())),
                    None if rest.trim().is_empty() => pending = Some((name, ord, contains, types)),
                    None => match rest.split_once("\n----") { Some((q, exp)) => cases.push((name, ord, contains, types, q.into(), exp.trim_matches('\n').into())), None => pending = Some((name, ord, contains, types)) },
                }
            }
            for (name, ord, _contains, types, q, exp) in cases {
                let got = match statement(&catalog, &q, &Parameters::default()) {
                    Ok(None) => "ok".to_string(),
                    Ok(Some((names, mut rows))) => { if !ord { rows.sort(); } let names: Vec<String> = names.iter().map(|n| { let (a, t) = n.split_once('\u{1}').unwrap(); if types { format!("{a} {t}") } else { a.to_string() } }).collect(); let mut v = vec![names.join(",")]; v.extend(rows); v.join("\n") }
                    Err(e) => {
                        let at = e.span().map(|s| { let before = &q[..s.start.min(q.len())]; format!(" at {}:{}", before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap().chars().count() + 1) }).unwrap_or_default();
                        format!("error {}{at}: {}", e.code(), e.message())
                    }
                };
                let mut want: Vec<&str> = exp.lines().take_while(|l| !l.is_empty()).collect();
                if !ord && want.len() > 1 && !want[0].starts_with("error") { want[1..].sort(); }
                let want = want.join("\n");
                let norm = |s: &str| s.replace('"', "");
                let ok = if want.starts_with("error") { got.starts_with(&want) || want.starts_with(&got) || got.split(':').next().unwrap() == want || got.starts_with(want.split(" at").next().unwrap().split(':').next().unwrap()) } else { norm(&got) == norm(&want) };
                if ok { good += 1 } else { bad += 1; println!("=== {} / {name}\n{q}\n--- want\n{want}\n--- got\n{got}\n", file.file_name().unwrap().to_string_lossy()); }
            }
        }
    }
    println!("GOOD {good} BAD {bad}");
}
#[test]
fn tpch() {
    use tpchgen::generators::*;
    use tpchgen_arrow::*;
    let s = 0.005;
    let catalog = Catalog::new().unwrap();
    let mut add = |n: &str, b: Vec<RecordBatch>| { let schema = b[0].schema(); catalog.insert(n, Entry::Table(Arc::new(MemTable::try_new(schema, vec![b]).unwrap())), true).unwrap(); };
    add("lineitem", LineItemArrow::new(LineItemGenerator::new(s, 1, 1)).collect());
    add("orders", OrderArrow::new(OrderGenerator::new(s, 1, 1)).collect());
    add("customer", CustomerArrow::new(CustomerGenerator::new(s, 1, 1)).collect());
    add("part", PartArrow::new(PartGenerator::new(s, 1, 1)).collect());
    add("partsupp", PartSuppArrow::new(PartSuppGenerator::new(s, 1, 1)).collect());
    add("supplier", SupplierArrow::new(SupplierGenerator::new(s, 1, 1)).collect());
    add("nation", NationArrow::new(NationGenerator::new(s, 1, 1)).collect());
    add("region", RegionArrow::new(RegionGenerator::new(s, 1, 1)).collect());
    for i in 1..=22 {
        let mut out = vec![];
        for ext in ["pipe", "sql"] {
            let text = std::fs::read_to_string(format!("/work/wt/corpus/tests/tpch/q{i:02}.{ext}")).unwrap();
            match statement(&catalog, &text, &Parameters::default()) {
                Ok(Some((n, mut r))) => { r.sort(); out.push(format!("{n:?} {} {:?}", r.len(), r)); }
                Ok(None) => out.push("none".into()),
                Err(e) => out.push(format!("{e} {:?}", e.span())),
            }
        }
        if out[0] == out[1] { println!("Q{i} same {}", &out[0][..out[0].len().min(80)]); } else { println!("Q{i} DIFFER\n {}\n {}", &out[0][..out[0].len().min(300)], &out[1][..out[1].len().min(300)]); }
    }
}
